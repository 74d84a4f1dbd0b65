"""The options of `aisle top`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from runtime.settings import read_settings
from runtime.telemetry import configure_logs


def top(
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="Address of metrics, such as http://127.0.0.1:8101/metrics; repeat it for services that are run "
            "one by one. Default: those of this home's `aisle up`."
        ),
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.25, max=60, help="Seconds between two scrapes of the metrics.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print the numbers of one second as text.")] = False,
    record: Annotated[
        Path | None, typer.Option(help="Record into this new file; without a terminal, only that.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Replay a recording: space pauses, arrows go 10 s, + and - change the speed. With --once, its end."
        ),
    ] = None,
) -> None:
    """Watch a running Aisle: requests, latencies, refusals, partitions, processes, e-mails."""
    from ops.top.command import replay as show_recording
    from ops.top.command import top as show

    settings = read_settings(os.environ)
    configure_logs("aisle", "warning")
    if replay is not None:
        if url or record is not None:
            raise typer.BadParameter("--replay goes with --once only")
        show_recording(replay, once=once)
        return
    if once and record is not None:
        raise typer.BadParameter("--once prints and --record records; choose one")
    show(settings, url or (), every_s=every, once=once, record=record)
