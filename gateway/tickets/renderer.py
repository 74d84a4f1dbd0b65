"""Rendering of tickets as PDFs in one low-priority thread, so that bookings do not wait for it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import msgspec

from gateway.http.etags import etag_of
from gateway.http.problems import Problem
from tickets.design import Design
from tickets.pdf import render_ticket
from tickets.ticket import Ticket

MAX_PENDING = 50
MAX_PENDING_OF_ACCOUNT = 10
"""Tickets of one account that are pending: the queue has room for others."""
_NICE = 10


class TicketRenderer:
    """Renders one ticket at a time, in the design of the venue."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tickets", initializer=_lower_priority)
        self._pending: dict[bytes, asyncio.Future[bytes]] = {}
        """By entity tag: the same ticket is rendered once for all who request it meanwhile."""
        self._of_account: Counter[int] = Counter()

    async def render(self, ticket: Ticket, etag: bytes, user_id: int) -> bytes:
        """The PDF. Raises Problem: `overloaded` when MAX_PENDING tickets are pending, `rate_limited` when this account
        has requested MAX_PENDING_OF_ACCOUNT of them."""
        rendering = self._pending.get(etag)
        if rendering is None:
            rendering = self._begin(ticket, etag, user_id)
        return await asyncio.shield(rendering)

    def _begin(self, ticket: Ticket, etag: bytes, user_id: int) -> asyncio.Future[bytes]:
        if len(self._pending) >= MAX_PENDING:
            raise Problem(
                "overloaded", "Many tickets are being printed: try again in a moment.", retry_after_s=2
            )
        if self._of_account[user_id] >= MAX_PENDING_OF_ACCOUNT:
            raise Problem(
                "rate_limited",
                f"{MAX_PENDING_OF_ACCOUNT} tickets are being printed for you: wait for one of them.",
                retry_after_s=1,
            )
        rendering = asyncio.get_running_loop().run_in_executor(
            self._thread, render_ticket, ticket, self._design
        )
        self._pending[etag] = rendering
        self._of_account[user_id] += 1

        def rendered(_: object) -> None:
            del self._pending[etag]
            self._of_account[user_id] -= 1
            if not self._of_account[user_id]:
                del self._of_account[user_id]

        rendering.add_done_callback(rendered)
        return rendering

    def etag(self, ticket: Ticket) -> bytes:
        """The entity tag of the PDF, without rendering it. The same ticket and design give the same bytes."""
        return etag_of(msgspec.json.encode(ticket), self._design.digest)

    def close(self) -> None:
        """Waits for the ticket that is being rendered, if any."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a priority belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
