"""The open connections of a gateway, as far as one has to know of the others: is the gateway draining?"""

from __future__ import annotations

DRAIN_GRACE_S = 2.0
"""How long an idle connection is still read after the stop. A request that arrives meanwhile is answered."""


class Connections:
    """State shared by all connections of a gateway."""

    def __init__(self) -> None:
        self.draining = False
        """Set at the stop: each connection ends with its last response, or after DRAIN_GRACE_S without a request."""
