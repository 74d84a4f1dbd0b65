"""How many commands may be on their way at once: in all, for a show, of a customer.

A command counts until it is decided, also when its client was answered 202 long ago. What is refused here
has certainly not been taken.
"""

from __future__ import annotations

from collections import defaultdict

from gateway.problems import Problem


class InFlight:
    """Counts of commands between append and decision, of this gateway."""

    def __init__(self, in_all: int, of_show: int, of_customer: int) -> None:
        self._in_all, self._of_show, self._of_customer = in_all, of_show, of_customer
        self._total = 0
        self._shows: defaultdict[int, int] = defaultdict(int)
        self._customers: defaultdict[int, int] = defaultdict(int)

    @property
    def total(self) -> int:
        """Commands that are not decided yet."""
        return self._total

    def enter(self, show_id: int, user_id: int) -> None:
        """Counts one more. Raises Problem: `overloaded`, or `rate_limited` for one customer's own."""
        if self._total >= self._in_all:
            raise Problem("overloaded", "Not taken; try again in a moment.", retry_after_s=1)
        if self._shows[show_id] >= self._of_show:
            raise Problem(
                "overloaded", "Too many ask for this show; not taken. Try again soon.", retry_after_s=1
            )
        if self._customers[user_id] >= self._of_customer:
            raise Problem(
                "rate_limited",
                f"You have {self._of_customer} requests that are not decided yet; wait for their answers.",
                retry_after_s=1,
            )
        self._total += 1
        self._shows[show_id] += 1
        self._customers[user_id] += 1

    def leave(self, show_id: int, user_id: int) -> None:
        """Counts one less."""
        self._total -= 1
        for counts, key in ((self._shows, show_id), (self._customers, user_id)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
