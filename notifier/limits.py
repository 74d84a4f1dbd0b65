"""When a mail server or a domain has had enough. Pure: the time is an argument.

The server: a quota makes it unavailable for minutes, then for up to an hour. Many servers defer each e-mail by itself
when they mean all of them; the same reply for several recipients in a row counts as the quota. A domain: after
deferrals in a row its e-mails wait, and the others go on.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from runtime.retries import backoff_s

FIRST_QUOTA_PAUSE_S = 300.0
LONGEST_QUOTA_PAUSE_S = 3600.0
SAME_REPLIES = 5
"""Recipients in a row with the same deferral that count as the server's quota."""
_DOMAIN_DEFERRALS = 3
"""Deferrals of a domain in a row after which it is paused."""
_FIRST_DOMAIN_PAUSE_S = 30.0
_LONGEST_DOMAIN_PAUSE_S = 1800.0
_DOMAINS = 10_000
"""Domains remembered: those deferred last."""


class SameReplies:
    """Counts recipients in a row that got the same deferral."""

    def __init__(self) -> None:
        self._reply = ""
        self._recipients: set[str] = set()

    def deferred(self, recipient: str, reply: str) -> bool:
        """Whether this deferral makes it the server's quota."""
        if reply != self._reply:
            self._reply, self._recipients = reply, set()
        if not reply:
            return False
        self._recipients.add(recipient)
        if len(self._recipients) < SAME_REPLIES:
            return False
        self._recipients.clear()
        return True

    def accepted(self) -> None:
        """Starts again."""
        self._reply = ""


class _Domain(msgspec.Struct):
    deferrals: int = 0
    until_s: float = 0.0


class DomainPauses:
    """The domains whose e-mails wait."""

    def __init__(self) -> None:
        self._domains: OrderedDict[str, _Domain] = OrderedDict()

    def left_s(self, domain: str, now_s: float) -> float:
        """Seconds until the next e-mail to a domain may be tried; 0 or less: now."""
        known = self._domains.get(domain)
        return 0.0 if known is None else known.until_s - now_s

    def deferred(self, domain: str, now_s: float) -> float:
        """Counts a deferral; returns the length of the pause that it begins, 0 for none."""
        known = self._domains.setdefault(domain, _Domain())
        self._domains.move_to_end(domain)
        if len(self._domains) > _DOMAINS:
            self._domains.popitem(last=False)
        known.deferrals += 1
        if known.deferrals < _DOMAIN_DEFERRALS:
            return 0.0
        times = known.deferrals - _DOMAIN_DEFERRALS + 1
        pause_s = backoff_s(times, _FIRST_DOMAIN_PAUSE_S, _LONGEST_DOMAIN_PAUSE_S)
        known.until_s = now_s + pause_s
        return pause_s

    def accepted(self, domain: str) -> None:
        """Forgets the deferrals of a domain."""
        self._domains.pop(domain, None)
