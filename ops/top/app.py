"""The screen of `aisle top`: one widget that paints the lines that changed, four times a second."""

from __future__ import annotations

import asyncio

from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.events import Key
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ops.top.screen import Line, screen
from ops.top.sources import Source, View

REDRAW_S = 0.25

_GROUND = "#101418"
_STYLES = {
    "": Style(color="#d8dee9", bgcolor=_GROUND),
    "title": Style(color=_GROUND, bgcolor="#8fbcbb", bold=True),
    "head": Style(color=_GROUND, bgcolor="#81a1c1"),
    "dim": Style(color="#8a97a5", bgcolor=_GROUND),
    "good": Style(color="#a3d977", bgcolor=_GROUND, bold=True),
    "warn": Style(color="#ebcb8b", bgcolor=_GROUND, bold=True),
    "bad": Style(color="#ff6b6b", bgcolor=_GROUND, bold=True),
    "bar": Style(color="#8fbcbb", bgcolor=_GROUND),
}


class Board(Widget):
    """The lines of the current frame."""

    DEFAULT_CSS = "Board { width: 100%; height: 100%; background: #101418; }"

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._lines: list[Line] = []
        self._shown: tuple[View, int, int] | None = None

    def redraw(self) -> None:
        """Paints what changed since the last time."""
        view = self._source.view()
        width, height = self.size
        if (view, width, height) == self._shown or not width:
            return
        self._shown = (view._replace(decided=tuple(view.decided)), width, height)
        before = self._lines
        if view.frame is None:
            self._lines = [[(f" aisle top  {view.status or 'waiting for the first numbers'}"[:width], "")]]
        else:
            self._lines = screen(view.frame, list(view.decided), width, height, view.status)
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(before), len(self._lines)))
            if (before[y] if y < len(before) else None) != (self._lines[y] if y < len(self._lines) else None)
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else []
        strip = Strip([Segment(part, _STYLES[style]) for part, style in line])
        return strip.adjust_cell_length(self.size.width, _STYLES[""])


class TopApp(App[None]):
    """The application: the board, `q` and the keys of its source."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [("q", "quit", "Quit"), ("ctrl+c", "quit", "Quit")]  # noqa: RUF012 - as Textual declares it

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._board = Board(source)
        self._background: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        yield self._board

    def on_mount(self) -> None:
        self._background = asyncio.create_task(self._source.run(), name="source")
        self.set_interval(REDRAW_S, self._redraw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._board.redraw)

    def on_key(self, event: Key) -> None:
        self._source.key(event.key)
        self._board.redraw()

    async def on_unmount(self) -> None:
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)

    async def _redraw(self) -> None:
        if self._background is not None and self._background.done():
            self._background.result()  # raises the error that ended it
        self._board.redraw()
