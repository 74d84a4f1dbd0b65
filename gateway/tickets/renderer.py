"""Setting tickets as PDFs: in a thread of its own at low priority, one at a time, so that no booking waits for it."""

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

MAX_WAITING = 50
_NICE = 10


class TicketRenderer:
    """Prints one ticket after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tickets", initializer=_be_nice)
        self._waiting = 0

    async def print(self, ticket: Ticket) -> bytes:
        """The PDF. Raises Problem `overloaded` when too many are waiting for theirs."""
        if self._waiting >= MAX_WAITING:
            raise Problem(
                "overloaded", "Many tickets are being printed: try again in a moment.", retry_after_s=2
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, render_ticket, ticket)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Waits for the ticket that is being printed, if any."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def ticket_etag(ticket: Ticket) -> bytes:
    """Names the PDF without printing it: the same ticket, template and typesetter give the same bytes."""
    return etag_of(msgspec.json.encode(ticket), _setting())


@lru_cache(maxsize=1)
def _setting() -> bytes:
    return etag_of((files("tickets") / "ticket.typ").read_bytes(), version("typst").encode())


def _be_nice() -> None:
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
