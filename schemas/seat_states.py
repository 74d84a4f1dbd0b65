"""The states of a seat as single letters: in the table `claims`, in seat changes and in seat maps."""

from __future__ import annotations

AVAILABLE = "a"
"""Without a claim."""
HELD = "h"
SOLD = "s"
BLOCKED = "b"
