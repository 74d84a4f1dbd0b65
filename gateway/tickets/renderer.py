"""Rendering of tickets as PDFs in one low-priority thread, so that bookings do not wait for it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files

import msgspec

from gateway.http.etags import etag_of
from gateway.http.problems import Problem
from tickets.pdf import render_ticket
from tickets.ticket import Ticket

MAX_PENDING = 50
_NICE = 10


class TicketRenderer:
    """Renders one ticket at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tickets", initializer=_lower_priority)
        self._pending = 0

    async def render(self, ticket: Ticket) -> bytes:
        """The PDF. Raises Problem `overloaded` when MAX_PENDING requests are pending."""
        if self._pending >= MAX_PENDING:
            raise Problem(
                "overloaded", "Many tickets are being printed: try again in a moment.", retry_after_s=2
            )
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, render_ticket, ticket)
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Waits for the ticket that is being rendered, if any."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def ticket_etag(ticket: Ticket) -> bytes:
    """The entity tag of the PDF, without rendering it.

    The same ticket, template and version of Typst give the same bytes.
    """
    return etag_of(msgspec.json.encode(ticket), _typesetting())


@lru_cache(maxsize=1)
def _typesetting() -> bytes:
    return etag_of((files("tickets") / "ticket.typ").read_bytes(), version("typst").encode())


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a priority belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
