"""`python -m loadtest.top_picture RECORDING`: the screen of `aisle top` at its busiest recorded moment, as an SVG."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ops.top.app import TopApp
from ops.top.recording import read_recording
from ops.top.sources import Replay

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def draw(
    recording: Annotated[Path, typer.Argument(help="File of `aisle top --record`.")],
    file: Annotated[Path, typer.Option(help="The picture.")] = Path("docs/pictures/top.svg"),
    columns: Annotated[int, typer.Option(min=40)] = 120,
    lines: Annotated[int, typer.Option(min=10)] = 20,
) -> None:
    """Writes the picture."""
    frames = read_recording(recording).frames
    busiest = max(range(len(frames)), key=lambda number: frames[number].decided_per_s)
    file.write_text(asyncio.run(_drawn(Replay(frames[: busiest + 1], cut_short=False), columns, lines)))


async def _drawn(replay: Replay, columns: int, lines: int) -> str:
    replay.key("end")
    top = TopApp(replay)
    async with top.run_test(size=(columns, lines)) as pilot:
        await pilot.pause(1.0)
        return top.export_screenshot(title="aisle top")


if __name__ == "__main__":
    app()
