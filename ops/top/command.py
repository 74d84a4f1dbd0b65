"""`aisle top`: the screen, its text for a pipe, recordings and their replay."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size

from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.readiness import own_address
from ops.top.frame import Frame
from ops.top.partition_facts import PartitionFacts
from ops.top.recording import Recorder, read_recording
from ops.top.screen import screen, text
from ops.top.sources import Live, Replay, Scraper, Source
from runtime.addresses.web_address import bracketed
from runtime.process import CannotStart
from runtime.settings import Settings

ONCE_S = 1.0
"""Seconds between the two scrapes of `--once`."""


def top(settings: Settings, urls: Sequence[str], *, every_s: float, once: bool, record: Path | None) -> None:
    """Shows a running Aisle until `q`, or once. Raises CannotStart."""
    scraper = Scraper(urls or [_own_metrics(settings)])
    recorder = Recorder(record) if record is not None else None
    live = Live(scraper, PartitionFacts(_database(settings, urls)), every_s=every_s, recorder=recorder)
    if once:
        print(_text(asyncio.run(_once(live))))
        return
    asyncio.run(_first(scraper))
    if sys.stdout.isatty():
        _show(live)
    elif recorder is not None:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(live.run())
    else:
        raise CannotStart("the screen needs a terminal; --once prints it as text, --record FILE records it")


def replay(path: Path, *, once: bool) -> None:
    """Replays a recording, or prints its last frame. Raises CannotStart."""
    recording = read_recording(path)
    if recording.cut_short:
        print(f"aisle: {path} is cut short after {len(recording.frames)} frames.", file=sys.stderr)
    if once or not sys.stdout.isatty():
        frames = recording.frames
        print(_text(frames[-1], [frame.decided_per_s for frame in frames]))
    else:
        _show(Replay(recording.frames, cut_short=recording.cut_short))


def _own_metrics(settings: Settings) -> str:
    host, port = own_address(settings.host, settings.metrics_port)
    return f"http://{bracketed(host)}:{port}/metrics"


def _database(settings: Settings, urls: Sequence[str]) -> str | None:
    """The database to ask for shows and seats; None where that is not known. None is started for it."""
    if settings.database_url is not None:
        return settings.database_url
    postgres = EmbeddedPostgres(settings.home)
    return postgres.url if not urls and postgres.data.exists() and postgres.is_ready() else None


def _show(source: Source) -> None:
    from ops.top.app import TopApp  # only here: Textual takes a quarter of a second to load

    TopApp(source).run()


def _text(frame: Frame, decided: Sequence[float] = ()) -> str:
    size = get_terminal_size((120, 40))
    return text(screen(frame, decided or [frame.decided_per_s], size.columns, 1000))


async def _first(scraper: Scraper) -> None:
    """Scrapes once, so that a wrong address is one line instead of an empty screen."""
    try:
        await scraper.scrape()
    finally:
        await scraper.close()


async def _once(live: Live) -> Frame:
    try:
        await live.advance()
        await asyncio.sleep(ONCE_S)
        frame = await live.advance()
        assert frame is not None
        return frame
    finally:
        await live.close()
