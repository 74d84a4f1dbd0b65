"""The screen at several sizes, and its picture as a terminal shows it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ops.top.app import TopApp
from ops.top.screen import screen, text
from ops.top.sources import Replay
from tests.unit.top.frames import busy_frame

PICTURES = Path(__file__).with_name("pictures")
TREND = [float(n % 37) for n in range(300)]


@pytest.mark.parametrize("height", [1, 5, 12, 24, 50])
@pytest.mark.parametrize("width", [40, 79, 80, 117, 118, 200])
def test_lines_fit_into_the_terminal(width: int, height: int) -> None:
    lines = screen(
        busy_frame(), TREND, width, height, "a status that is longer than what is left of the title"
    )
    assert len(lines) <= max(height, 4)
    assert max(sum(len(part) for part, _ in line) for line in lines) <= width


def test_what_needs_somebody_is_shown_first_where_lines_are_missing() -> None:
    shown = text(screen(busy_frame(), TREND, 80, 24))
    assert "no seat worker" in shown
    assert "12,000" in shown
    partitions = shown[shown.index("partition") : shown.index("process")]
    assert re.search(r"… \d more", partitions)
    assert partitions.index("no seat worker") < partitions.index("12,000") < partitions.index("seat-worker-1")


def test_everything_is_shown_where_there_is_room() -> None:
    shown = text(screen(busy_frame(), TREND, 160, 60))
    assert "more" not in shown
    for one in (
        "3.2 ms",
        "12 s",
        "seats_per_customer",
        "100,000",
        "1,520",
        "25 h",
        "down",
        "500 internal error",
    ):
        assert one in shown, one


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 30)])
async def test_the_picture_of_the_screen(width: int, height: int) -> None:
    """AISLE_UPDATE_PICTURES=1 writes the pictures anew; look at them before they are committed."""
    frames = [busy_frame(1_796_090_400.0 + n, decided_per_s=4000.0 + 100 * (n % 7)) for n in range(40)]
    replay = Replay(frames, cut_short=False)
    replay.key("space")
    replay.key("end")
    app = TopApp(replay)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        app.query_one("Board").redraw()  # type: ignore[attr-defined]
        await pilot.pause()
        drawn = re.sub(r"terminal-\d+", "terminal", app.export_screenshot(title="aisle top"))
    stored = PICTURES / f"{width}x{height}.svg"
    if os.environ.get("AISLE_UPDATE_PICTURES"):
        stored.write_text(drawn)
    assert drawn == stored.read_text()
