"""The command `aisle prune`."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer

from runtime.process import CannotStart
from runtime.retention_period import read_retention
from runtime.settings import read_settings
from runtime.telemetry import configure_logs


def prune(
    keep: Annotated[
        str | None, typer.Option(help="What to keep, such as 90d or 72h; else AISLE_KEEP.")
    ] = None,
    keep_reports: Annotated[
        str | None, typer.Option(help="Figures by customer and day; else AISLE_KEEP_REPORTS, or all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, change nothing.")] = False,
) -> None:
    """Drop log and decisions of before the retention period, and delete command ids that no longer count."""
    from ops.database import database
    from ops.logs import bound_log
    from ops.retention.prune import open_prune

    settings = read_settings(os.environ)
    configure_logs("aisle", "warning")
    if keep is None and settings.keep is None:
        raise CannotStart("nothing says what to keep: add --keep 90d, or set AISLE_KEEP=90d")
    keep_s = _period("--keep", (settings.keep or "") if keep is None else keep)
    reports = settings.keep_reports if keep_reports is None else keep_reports
    reports_s = None if reports is None else _period("--keep-reports", reports)

    async def run(url: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):  # an orderly end leaves no constraint behind
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        async with (
            bound_log(settings, url, create=False) as log,
            open_prune(url, log, keep_s, reports_s) as run,
        ):
            try:
                await (run.look() if dry_run else run.run())
            except asyncio.CancelledError:
                raise CannotStart("stopped; the next `aisle prune` continues") from None
            finally:
                print("\n".join(run.lines), flush=True)

    with database(settings, "prune") as url:
        asyncio.run(run(url))


def _period(option: str, given: str) -> int:
    try:
        return read_retention(given)
    except ValueError as error:
        raise CannotStart(f"{option} {given[:40]!r}: {error}; nothing was changed") from None
