"""Recordings: written, read, damaged; and their replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.top.recording import FORMAT, Recorder, read_recording
from ops.top.sources import Replay
from runtime.process import CannotStart
from tests.unit.top.frames import busy_frame


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "night.aisle"
    recorder = Recorder(path)
    for n in range(3):
        recorder.add(busy_frame(1000.0 + n))
    recorder.close()
    return path


def test_what_is_recorded_is_replayed(recording: Path) -> None:
    found = read_recording(recording)
    assert found.frames == [busy_frame(1000.0 + n) for n in range(3)]
    assert not found.cut_short


def test_a_recording_that_is_cut_short_is_replayed_up_to_there(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-10])
    found = read_recording(recording)
    assert len(found.frames) == 2
    assert found.cut_short


def test_fields_of_a_later_release_are_ignored(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes().replace(b'"at_s":', b'"moon":"full","at_s":'))
    assert len(read_recording(recording).frames) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no recording of `aisle top --record`"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no recording of `aisle top --record`"),
        (b'{"some":"json"}\n', "no recording of `aisle top --record`"),
        (b'{"aisle_top":99,"version":"9.0"}\n{}\n', f"of Aisle 9.0 in format 99, this one reads {FORMAT}"),
        (b'{"aisle_top":%d}\n' % FORMAT, "cut short, it has no frame"),
        (b'{"aisle_top":%d}\n{"at_s":' % FORMAT, "cut short, it has no frame"),
        (b'{"aisle_top":%d}\n{"at_s":1}\n' % FORMAT, "line 2 is no frame"),
    ],
)
def test_any_other_file_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CannotStart, match=message) as raised:
        read_recording(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(path))


def test_a_missing_file_and_a_file_that_exists(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(CannotStart, match="No such file"):
        read_recording(tmp_path / "none")
    before = recording.read_bytes()
    with pytest.raises(CannotStart, match="this file exists"):
        Recorder(recording)
    assert recording.read_bytes() == before


def test_a_replay_follows_the_clock_and_its_keys() -> None:
    now_s = 50.0
    frames = [busy_frame(1000.0 + n, decided_per_s=float(n)) for n in range(100)]
    replay = Replay(frames, cut_short=True, clock=lambda: now_s)

    def shown() -> float:
        view = replay.view()
        assert view.frame is not None
        return view.frame.at_s

    assert shown() == 1000
    now_s += 3.2
    assert shown() == 1003
    replay.key("plus")
    now_s += 5
    assert shown() == 1013
    replay.key("space")
    now_s += 60
    assert shown() == 1013
    replay.key("left")
    assert shown() == 1000, "ten seconds, twice as fast, and not before the start"
    replay.key("end")
    assert (shown(), replay.view().status) == (
        1099,
        "replay 100 of 100, end: the file is cut short here  q quits",
    )
    replay.key("home")
    assert list(replay.view().decided) == [0.0]
