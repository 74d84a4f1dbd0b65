"""Findings of `aisle verify`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from runtime.process import CannotStart


class WrongRules(CannotStart):
    """A command was decided, or a checkpoint was written, by rules of a later release."""


class Findings(msgspec.Struct):
    """Numbers of compared objects, and the text of every difference."""

    commands: int = 0
    """Replayed commands."""
    shows: int = 0
    bookings: int = 0
    failed: int = 0
    """Commands decided as `internal_error`: their decision is not replayed."""
    beyond_log: int = 0
    """Commands read from `decisions`, because the log begins after them."""
    checkpoint_at: datetime | None = None
    """Time of the checkpoint at which this run began; None for the start of the log."""
    before_checkpoint: int = 0
    """Commands before the checkpoint: not replayed."""
    checkpoint_rules: int | None = None
    """Version of the rules of those commands."""
    pruned: int = 0
    """Commands that `aisle prune` has dropped: the run began after them."""
    pruned_until: str = ""
    repeats_of_pruned: int = 0
    """Repeats of commands that have been pruned: taken as they are."""
    differences: list[str] = msgspec.field(default_factory=list)

    def summary(self) -> str:
        """Returns the numbers in one line."""
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
        if self.pruned:
            seen += f"; {self.pruned} commands before {self.pruned_until} are pruned"
        if self.repeats_of_pruned:
            seen += f"; {self.repeats_of_pruned} repeats of pruned commands were taken as they are"
        return seen
