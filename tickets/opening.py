"""The design of tickets at the start of a process: read, tried, and its fonts looked through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import typst

from schemas.layout import Money
from tickets.design import Design, DesignError, TicketLayout, read_design
from tickets.pdf import render_ticket
from tickets.scripts import missing_scripts
from tickets.ticket import Ticket, TicketSeat

HOW_TO_ADD_FONTS = (
    "install fonts on the machine, such as Debian's fonts-noto-core and fonts-noto-cjk,"
    " or put files into the folder fonts of AISLE_TICKET_DESIGN: docs/tickets.md"
)


class OpenedDesign(NamedTuple):
    """A design that prints tickets."""

    design: Design
    missing_scripts: list[str]
    """Scripts that would be printed as boxes."""


def open_design(folder: Path | None, layout: TicketLayout) -> OpenedDesign:
    """The design of a venue's folder, or the packaged one. CPU-bound, 0.1 s: call it in a thread.

    Raises DesignError, also where its template fails.
    """
    design = read_design(folder, layout)
    if folder is not None:
        try:
            render_ticket(_sample(), design)
        except typst.TypstError as error:
            raise DesignError(f"{folder}: {error.message}") from None
    return OpenedDesign(design, missing_scripts(design))


def _sample() -> Ticket:
    moment = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)
    return Ticket(
        booking_id=UUID(int=0),
        title="Title",
        screen="Screen",
        starts_at=moment,
        duration_minutes=90,
        seats=tuple(TicketSeat(f"A{n}", "Stalls", "A", Money(1000, "EUR"), "B" * 174) for n in (1, 2)),
        booked_at=moment,
        holder="Name",
    )
