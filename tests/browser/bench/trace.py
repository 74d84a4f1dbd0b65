"""Work of a page's main thread, from a trace of Chromium."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

CATEGORIES = [
    "blink.user_timing",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "toplevel",
]


class Task(NamedTuple):
    """A task of the main thread, in microseconds."""

    start: float
    wall: float
    cpu: float


class MainThread(NamedTuple):
    """Tasks, beginnings of frames and marks of one page's main thread, each in order of time."""

    tasks: list[Task]
    frames: list[float]
    marks: dict[str, float]

    def between(self, start: float, end: float) -> float:
        """Milliseconds of work between two times of the trace; of a task, the part that lies between them."""
        worked = 0.0
        for task in self.tasks:
            worked += max(0.0, min(end, task.start + task.wall) - max(start, task.start))
        return worked / 1000

    def per_frame(self, start: float, end: float) -> list[float]:
        """Milliseconds of work in each frame, from its beginning to that of the next one."""
        frames = [at for at in self.frames if start <= at <= end]
        worked = [0.0] * max(len(frames) - 1, 0)
        for task in self.tasks:
            number = bisect_right(frames, task.start) - 1
            if 0 <= number < len(worked):
                worked[number] += task.wall / 1000
        return worked


def read_trace(trace: bytes, mark: str) -> MainThread:
    """Reads a trace; the page's main thread is the one that set this mark."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    thread = next((one["pid"], one["tid"]) for one in events if one["name"] == mark)
    mine = sorted((one for one in events if (one["pid"], one["tid"]) == thread and "ts" in one), key=_start)
    return MainThread(
        tasks=[
            Task(one["ts"], one["dur"], one.get("tdur", 0))
            for one in mine
            if one["name"] == "RunTask" and "dur" in one
        ],
        frames=[one["ts"] for one in mine if one["name"] == "BeginMainThreadFrame"],
        marks=_marks(mine),
    )


def _marks(events: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        one["name"]: one["ts"]
        for one in events
        if one.get("cat") == "blink.user_timing" and one["ph"] in "IR"
    }


def _start(event: dict[str, Any]) -> float:
    at: float = event["ts"]
    return at
