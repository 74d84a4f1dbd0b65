"""The lines of the screen of `aisle top`, for any size. Pure: pieces of text, each with the name of its style."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from ops.top.frame import Emails, Frame, Partition, Process

Line = list[tuple[str, str]]
"""(text, style) pairs. Styles: "", "title", "head", "dim", "good", "warn", "bad", "bar"."""

WIDE = 118
"""Columns from which there are two columns of tables."""

_BARS = "▁▂▃▄▅▆▇█"
_GAP = 3
_SLOW_MS = 1000.0
_LATE_LOOP_MS = 50.0
_LAG = 1000
_OLD_EMAIL_S = 1800.0


def screen(frame: Frame, decided: Sequence[float], width: int, height: int, status: str = "") -> list[Line]:
    """The lines of a frame. `decided`: commands a second of the last moments; `status`: beside the title."""
    width = max(width, 40)
    lines = [_title(frame, width, status), *_totals(frame, width), _trend(decided, width)]
    room = max(0, height - len(lines))
    if width >= WIDE:
        left = (width - _GAP) * 2 // 5
        right = width - _GAP - left
        heights = _shares(room, [len(frame.routes), len(frame.processes)], [1, 1])
        one = [*_routes(frame, left, heights[0]), *_processes(frame.processes, left, heights[1])]
        heights = _shares(
            room, [len(frame.partitions), len(frame.refused), 3 if frame.emails else 0], [1, 1, 1]
        )
        other = [
            *_partitions(frame.partitions, right, heights[0]),
            *_refused(frame, right, heights[1]),
            *_emails(frame.emails, right)[: heights[2]],
        ]
        return lines + _beside(one, other, left)[:room]
    left = (width - _GAP) * 3 // 5
    right = width - _GAP - left
    wanted = [
        max(len(frame.routes), len(frame.refused)),
        len(frame.partitions),
        max(len(frame.processes), 3 if frame.emails else 0),
    ]
    heights = _shares(room, wanted, [1, 1, 1])
    lines += _beside(_routes(frame, left, heights[0]), _refused(frame, right, heights[0]), left)
    lines += _partitions(frame.partitions, width, heights[1])
    emails = _emails(frame.emails, right)[: heights[2]]
    lines += _beside(_processes(frame.processes, left, heights[2]), emails, left)
    return lines[:height]


def text(lines: Sequence[Line]) -> str:
    """The lines without their styles."""
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def _shares(room: int, wanted: Sequence[int], heads: Sequence[int]) -> list[int]:
    """Divides the lines among tables: each gets what it wants, or what is left when all get as much as each other."""
    needs = [rows + head for rows, head in zip(wanted, heads, strict=True)]
    given = [0] * len(needs)
    while room > 0 and any(got < need for got, need in zip(given, needs, strict=True)):
        hungry = [index for index, need in enumerate(needs) if given[index] < need]
        least = min(hungry, key=lambda index: given[index])
        given[least] += 1
        room -= 1
    return given


def _title(frame: Frame, width: int, status: str) -> Line:
    at = datetime.fromtimestamp(frame.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    left = f" aisle top {frame.version}  {at} "
    return _fit([(left, "title"), (f"{status} ".rjust(width - len(left)), "title")], width)


def _totals(frame: Frame, width: int) -> list[Line]:
    unexpected = frame.refused.get("500 internal error", 0.0) + frame.refused.get("internal_error", 0.0)
    lag = sum(one.lag or 0 for one in frame.partitions)
    p50, p99 = frame.decision_ms
    first: Line = [
        *_pair("requests", f"{_rate(frame.requests_per_s)}/s"),
        *_pair("decided", f"{_rate(frame.decided_per_s)}/s"),
        *_pair("accepted", f"{_rate(frame.accepted_per_s)}/s"),
        *_pair("in flight", _count(frame.in_flight)),
        *_pair("lag", _count(lag), "bad" if lag > _LAG else ""),
        *_pair("sockets", _count(frame.sockets)),
    ]
    second: Line = [
        *_pair("append to decision", f"{_latency(p50)} p99 {_latency(p99)}"),
        *_pair("commit", f"{_latency(frame.commit_ms[0])} p99 {_latency(frame.commit_ms[1])}"),
        *_pair("batch", "–" if frame.batch is None else f"{frame.batch:.1f}"),
    ]
    if width >= WIDE:
        second += [
            *_pair("batches decided ahead", f"{_rate(frame.ahead_per_s)}/s"),
            *_pair("errors", f"{_rate(unexpected)}/s", "bad" if unexpected else ""),
        ]
    return [_fit(first, width), _fit(second, width)]


def _pair(name: str, value: str, style: str = "good") -> Line:
    return [(" " + name + " ", "dim"), (value, style), (" ", "")]


def _trend(decided: Sequence[float], width: int) -> Line:
    label = " decided/s "
    shown = list(decided)[-(width - len(label) - 14) :]
    highest = max(shown, default=0.0)
    bars = "".join(_BARS[min(7, int(one / highest * 7.999))] if highest else _BARS[0] for one in shown)
    return [(label, "dim"), (bars, "bar"), (f" max {_rate(highest)}", "dim")]


def _routes(frame: Frame, width: int, height: int) -> list[Line]:
    rows = [
        [
            (one.name, ""),
            (_rate(one.per_s), ""),
            (_latency(one.p50_ms), ""),
            (_latency(one.p99_ms), "warn" if (one.p99_ms or 0) > _SLOW_MS else ""),
        ]
        for one in frame.routes
    ]
    return _table(["route", "per s", "p50", "p99"], [None, 8, 8, 8], rows, width, height)


def _refused(frame: Frame, width: int, height: int) -> list[Line]:
    rows = [
        [(reason, "bad" if reason.startswith(("500", "internal")) else ""), (_rate(per_s), "")]
        for reason, per_s in frame.refused.items()
    ]
    return _table(["refused for", "per s"], [None, 8], rows, width, height)


def _partitions(partitions: Sequence[Partition], width: int, height: int) -> list[Line]:
    if len(partitions) > height - 1:  # those that need somebody, then the busiest
        partitions = sorted(
            partitions, key=lambda one: (bool(one.owner), -(one.lag or 0), -one.decided_per_s)
        )
    rows = [
        [
            (str(one.number), ""),
            (one.owner or "no seat worker", "" if one.owner else "bad"),
            (_count(one.epoch), ""),
            (_count(one.lag), "bad" if (one.lag or 0) > _LAG else ""),
            (_rate(one.decided_per_s), ""),
            (_count(one.shows), ""),
            (_count(one.seats_left), ""),
        ]
        for one in partitions
    ]
    heads = ["partition", "owner", "epoch", "lag", "per s", "shows", "seats left"]
    return _table(heads, [9, None, 6, 7, 7, 6, 11], rows, width, height)


def _processes(processes: Sequence[Process], width: int, height: int) -> list[Line]:
    rows = [
        [
            (one.name, "" if one.up else "bad"),
            (f"{one.cpu * 100:.0f} %" if one.up else "down", "" if one.up else "bad"),
            (f"{one.memory_mb:,.0f} MB", ""),
            (_latency(one.loop_p99_ms), "warn" if (one.loop_p99_ms or 0) > _LATE_LOOP_MS else ""),
            (_age(one.since_s), ""),
        ]
        for one in processes
    ]
    return _table(["process", "CPU", "memory", "loop p99", "up"], [None, 6, 8, 8, 6], rows, width, height)


def _emails(emails: Emails | None, width: int) -> list[Line]:
    if emails is None:
        return []
    old = emails.oldest_s > _OLD_EMAIL_S
    failed = emails.per_s.get("failed", 0.0)
    rows = [
        [
            ("sent·skipped", ""),
            (_rate(emails.per_s.get("sent", 0)), ""),
            (_rate(emails.per_s.get("skipped", 0)), ""),
        ],
        [
            ("deferred·failed", ""),
            (_rate(emails.per_s.get("deferred", 0)), ""),
            (_rate(failed), "bad" if failed else ""),
        ],
        [
            ("waiting·oldest", ""),
            (_count(emails.waiting), "warn" if old else ""),
            (_age(emails.oldest_s), "warn" if old else ""),
        ],
    ]
    return _table(["e-mails", "", "per s"], [None, 8, 6], rows, width, 4)


def _table(
    heads: Sequence[str], widths: Sequence[int | None], rows: Sequence[Line], width: int, height: int
) -> list[Line]:
    """A table within `height` lines. The column without a width takes what is left and is aligned to the left."""
    if height <= 0:
        return []
    fixed = sum(one + 1 for one in widths if one is not None)
    sizes = [max(4, width - fixed) if one is None else one for one in widths]

    def cells(line: Line, style: str = "") -> Line:
        found: Line = []
        for (cell, own), size, flexible in zip(line, sizes, widths, strict=True):
            cut = cell if len(cell) <= size else cell[: size - 1] + "…"
            found.append((cut.ljust(size) if flexible is None else cut.rjust(size), own or style))
            found.append((" ", style))
        return _fit(found, width)

    hidden = len(rows) - (height - 1)
    shown = rows if hidden <= 0 else rows[: height - 1]
    lines = [cells([(head, "") for head in heads], "head"), *(cells(row) for row in shown)]
    if hidden > 0 and height > 1:
        lines[-1] = _fit([(f"… {hidden + 1} more", "dim")], width)
    return lines


def _beside(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    lines = []
    for one, other in zip_longest(left, right, fillvalue=None):
        start = one if one is not None else [(" " * width, "")]
        lines.append([*start, (" " * _GAP, ""), *(other or [])])
    return lines


def _fit(line: Line, width: int) -> Line:
    """The line cut, or filled with blanks, to this width."""
    found: Line = []
    left = width
    for part, style in line:
        found.append((part[:left], style))
        left -= len(part)
        if left <= 0:
            return found
    return [*found, (" " * left, "")]


def _rate(per_s: float) -> str:
    if 0 < per_s < 10:
        return f"{per_s:.1f}"
    return f"{per_s:,.0f}"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _latency(ms: float | None) -> str:
    if ms is None:
        return "–"
    if ms < 10:
        return f"{ms:.1f} ms"
    return f"{ms:,.0f} ms" if ms < 10_000 else f"{ms / 1000:,.0f} s"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
