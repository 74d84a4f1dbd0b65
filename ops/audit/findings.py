"""What `aisle verify` found."""

from __future__ import annotations

from datetime import datetime

import msgspec

from runtime.process import CannotStart


class WrongRules(CannotStart):
    """A command was decided by other rules than this release has."""


class Findings(msgspec.Struct):
    """What was compared, and every difference, in words."""

    commands: int = 0
    """Decided again."""
    shows: int = 0
    bookings: int = 0
    failed: int = 0
    """Commands answered `internal_error`: stored as such, and not decided again."""
    beyond_log: int = 0
    """Commands that were taken from `decisions`, because the log does not reach back to them."""
    checkpoint_at: datetime | None = None
    """When the checkpoint was written from which this went on; None when it began at the start."""
    before_checkpoint: int = 0
    """Commands before the checkpoint: not decided again."""
    checkpoint_rules: int | None = None
    """The rules by which those were."""
    differences: list[str] = msgspec.field(default_factory=list)

    def summary(self) -> str:
        """What was looked at, in one line."""
        seen = f"{self.commands} commands, {self.shows} shows, {self.bookings} bookings"
        if self.failed:
            seen += f"; {self.failed} commands had failed and were taken as they are"
        if self.beyond_log:
            seen += f"; {self.beyond_log} commands came from `decisions`, the log begins after them"
        if self.checkpoint_at is not None:
            seen += (
                f"; {self.before_checkpoint} commands before the checkpoint of {self.checkpoint_at:%Y-%m-%d %H:%M} UTC"
                f" (rules {self.checkpoint_rules}) were not decided again"
            )
        return seen
