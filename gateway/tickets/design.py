"""The design of tickets, from the settings."""

from __future__ import annotations

import asyncio

import structlog

from runtime.settings import SettingError, Settings
from tickets.design import Design, DesignError
from tickets.opening import HOW_TO_ADD_FONTS, open_design

_log = structlog.get_logger()


async def ticket_design_of(settings: Settings) -> Design:
    """The design; scripts without a font are a warning in the log. Raises SettingError."""
    try:
        opened = await asyncio.to_thread(open_design, settings.ticket_design, settings.ticket_layout)
    except DesignError as error:
        raise SettingError(f"AISLE_TICKET_DESIGN: {error}") from None
    if opened.missing_scripts:
        _log.warning(
            "ticket_fonts_missing", scripts=", ".join(opened.missing_scripts), remedy=HOW_TO_ADD_FONTS
        )
    return opened.design
