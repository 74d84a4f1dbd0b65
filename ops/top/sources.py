"""Sources of frames: a running Aisle that is scraped, or a recording that is replayed."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import aiohttp

from ops.top.change import Change
from ops.top.frame import USED, Frame, Partition, frame_of
from ops.top.recording import Recorder
from ops.top.samples import Parser, Samples
from runtime.process import CannotStart

WINDOW_S = 5.0
"""Rates and latencies are those of this time."""
TREND = 240
"""Moments whose decisions a second are kept for the trend."""
_TIMEOUT_S = 5.0
_STALE_S = 3.0


class Facts(Protocol):
    """What only the database knows of the partitions."""

    async def complete(self, partitions: Sequence[Partition]) -> list[Partition]:
        """Returns the partitions with what is known. Raises nothing."""
        ...

    async def close(self) -> None: ...


class View(NamedTuple):
    """What is shown now. `frame` is None before the first one."""

    frame: Frame | None
    decided: Sequence[float]
    status: str


class Source(Protocol):
    """The frames of the screen."""

    def view(self) -> View:
        """What to show now."""
        ...

    async def run(self) -> None:
        """Does what the source does in the background, until cancelled."""
        ...

    def key(self, name: str) -> None:
        """Reacts to a key that is not the screen's own."""
        ...


class Scraper:
    """Scrapes the metrics of all processes of one Aisle."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._parsers = [Parser(USED) for _ in urls]
        self._session: aiohttp.ClientSession | None = None

    async def scrape(self) -> Samples:
        """Returns the samples of every address that answers. Raises CannotStart, in one line, when none does."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        answers = await asyncio.gather(*map(self._get, self._urls), return_exceptions=True)
        merged: Samples = {}
        problem = ""
        for url, parser, answer in zip(self._urls, self._parsers, answers, strict=True):
            if isinstance(answer, BaseException):
                problem = f"{url} does not answer: {_reason(answer)}"
                continue
            try:
                samples = parser.read(answer)
            except ValueError:
                problem = (
                    f"{url} does not serve metrics; AISLE_METRICS_PORT or --url names the port that does"
                )
                continue
            for name, series in samples.items():
                merged.setdefault(name, {}).update({f"{url} {key}": one for key, one in series.items()})
        if not merged:
            raise CannotStart(problem)
        return merged

    async def _get(self, url: str) -> str:
        assert self._session is not None
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class Live:
    """A running Aisle, scraped every `every_s` seconds."""

    def __init__(
        self, scraper: Scraper, facts: Facts, *, every_s: float, recorder: Recorder | None = None
    ) -> None:
        self._scraper = scraper
        self._facts = facts
        self._every_s = every_s
        self._recorder = recorder
        self._scrapes: deque[tuple[float, float, Samples]] = deque()
        self._frame: Frame | None = None
        self._decided: deque[float] = deque(maxlen=TREND)
        self._problem = ""
        self._scraped_s = time.monotonic()

    async def advance(self) -> Frame | None:
        """Scrapes once. Returns the new frame, None after the first scrape. Raises CannotStart."""
        samples = await self._scraper.scrape()
        now_s, wall_s = time.monotonic(), time.time()
        self._scrapes.append((now_s, wall_s, samples))
        while len(self._scrapes) > 2 and now_s - self._scrapes[1][0] >= WINDOW_S:
            self._scrapes.popleft()
        self._scraped_s = now_s
        if len(self._scrapes) < 2:
            return None
        old_s, old_wall_s, old = self._scrapes[0]
        frame = frame_of(Change(old, samples, old_wall_s, now_s - old_s), wall_s)
        frame = frame.with_partitions(await self._facts.complete(frame.partitions))
        previous_s, previous_wall_s, previous = self._scrapes[-2]
        last = Change(previous, samples, previous_wall_s, now_s - previous_s)
        self._decided.append(last.rate("aisle_commands_decided_total"))
        self._frame = frame
        if self._recorder is not None:
            self._recorder.add(frame)
        return frame

    async def run(self) -> None:
        try:
            while True:
                began_s = time.monotonic()
                try:
                    await self.advance()
                    self._problem = ""
                except CannotStart as problem:
                    self._problem = str(problem)
                await asyncio.sleep(max(0.05, self._every_s - (time.monotonic() - began_s)))
        finally:
            await self.close()

    async def close(self) -> None:
        """Closes connections and the recording."""
        await self._facts.close()
        await self._scraper.close()
        if self._recorder is not None:
            self._recorder.close()

    def view(self) -> View:
        age_s = time.monotonic() - self._scraped_s
        status = "recording  " if self._recorder is not None else ""
        if self._problem:
            status = self._problem
        elif age_s > _STALE_S + self._every_s:
            status = f"as of {age_s:.0f} s ago"
        return View(self._frame, self._decided, f"{status}q quits" if not self._problem else status)

    def key(self, name: str) -> None:
        """There is nothing to change."""


class Replay:
    """A recording. Space pauses, the arrow keys go back and forth, + and - change the speed."""

    def __init__(
        self, frames: Sequence[Frame], *, cut_short: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._frames = frames
        self._cut_short = cut_short
        self._clock = clock
        self._at_s = frames[0].at_s
        self._ticked_s = clock()
        self._speed = 1
        self._paused = False

    async def run(self) -> None:
        await asyncio.Event().wait()

    def view(self) -> View:
        now_s = self._clock()
        last = self._frames[-1].at_s
        if not self._paused:
            self._at_s = min(last, self._at_s + (now_s - self._ticked_s) * self._speed)
        self._ticked_s = now_s
        index = max(0, bisect_right(self._frames, self._at_s, key=lambda frame: frame.at_s) - 1)
        ended = index == len(self._frames) - 1
        state = "end" if ended else "paused" if self._paused else f"x{self._speed}"
        if ended and self._cut_short:
            state = "end: the file is cut short here"
        status = f"replay {index + 1} of {len(self._frames)}, {state}  q quits"
        decided = [frame.decided_per_s for frame in self._frames[max(0, index + 1 - TREND) : index + 1]]
        return View(self._frames[index], decided, status)

    def key(self, name: str) -> None:
        first, last = self._frames[0].at_s, self._frames[-1].at_s
        steps = {"left": -10.0, "right": 10.0, "home": first - last, "end": last - first}
        if name == "space":
            self._paused = not self._paused
        elif name in steps:
            self._at_s = min(last, max(first, self._at_s + steps[name] * self._speed))
        elif name in ("plus", "minus"):
            self._speed = min(1024, self._speed * 2) if name == "plus" else max(1, self._speed // 2)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT_S:.0f} s"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"status {error.status}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
