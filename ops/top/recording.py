"""Recordings of `aisle top`: one line of JSON that says what the file is, then one for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from ops.top.frame import Frame
from runtime.process import CannotStart

FORMAT = 1
"""Counted up when a frame of an older file could be read wrongly. New fields with a default need no new number."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a recording."""

    aisle_top: int
    """The format."""
    version: str = ""
    """The release of Aisle that was recorded."""


class Recording(NamedTuple):
    """The frames of a file. `cut_short`: whether its last line is incomplete."""

    frames: list[Frame]
    cut_short: bool


class Recorder:
    """Writes frames to a new file, each at once, so that a killed `aisle top` has recorded all but its last.

    The file is made with the first frame. Raises CannotStart, with one line, where there is one already.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise CannotStart(f"--record {path}: this file exists; name another, or delete it")
        self._path = path
        self._file: BinaryIO | None = None

    def add(self, frame: Frame) -> None:
        """Appends a frame. Raises OSError."""
        if self._file is None:
            self._file = self._path.open("xb")
            self._write(self._file, Header(aisle_top=FORMAT, version=frame.version))
        self._write(self._file, frame)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    @staticmethod
    def _write(file: BinaryIO, line: msgspec.Struct) -> None:
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()


def read_recording(path: Path) -> Recording:
    """Reads a recording. Raises CannotStart, with one line, for any other file."""
    lines = _read(path).split(b"\n")
    try:
        header = msgspec.json.decode(lines[0], type=Header)
    except msgspec.MsgspecError:
        raise CannotStart(f"{path}: this is no recording of `aisle top --record`") from None
    if header.aisle_top != FORMAT:
        release = f" of Aisle {header.version}" if header.version else ""
        raise CannotStart(
            f"{path}: a recording{release} in format {header.aisle_top}, this one reads {FORMAT}; replay it with "
            "the release that made it"
        )
    frames, complete = _frames(path, lines[1:-1]), not lines[-1]
    if not frames:
        raise CannotStart(f"{path}: this recording is cut short, it has no frame; record again")
    return Recording(frames, cut_short=not complete)


def _frames(path: Path, lines: Sequence[bytes]) -> list[Frame]:
    decoder = msgspec.json.Decoder(Frame)
    found = []
    for number, line in enumerate(lines, start=2):
        try:
            found.append(decoder.decode(line))
        except msgspec.MsgspecError:
            raise CannotStart(f"{path}: line {number} is no frame; the file was damaged or changed") from None
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotStart(f"{path}: {error.strerror}") from None
