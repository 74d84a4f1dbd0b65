"""The commands for the processes of a running instance: `aisle scale`, `aisle restart` and `aisle ps`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import msgspec
import typer

from ops.command_line import command_settings
from ops.local.control_client import request
from ops.local.control_messages import (
    Done,
    ListProcesses,
    Processes,
    ProcessRow,
    Refused,
    Reply,
    Restart,
    Scale,
)

MOST = 64
"""Upper bound of the number of processes of a kind, as of AISLE_WORKERS and AISLE_GATEWAYS."""
PARTS = ("workers", "gateways", "notifier", "all")


def read_counts(arguments: Sequence[str]) -> Scale:
    """Reads `workers=4 gateways=3`. Raises ValueError with one line."""
    counts: dict[str, int] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in ("workers", "gateways"):
            raise ValueError(f"{argument[:40]!r}: workers=N or gateways=N is wanted")
        if name in counts:
            raise ValueError(f"{name} is given twice")
        if not (value.isascii() and value.isdecimal() and 1 <= int(value[:9]) <= MOST and len(value) < 9):
            raise ValueError(f"{argument[:40]!r}: a whole number from 1 to {MOST} is wanted")
        counts[name] = int(value)
    return Scale(**counts)


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the `aisle` command."""
    # A count such as workers=-1 is for us to refuse, not an option.
    app.command(context_settings={"ignore_unknown_options": True})(scale)
    app.command()(restart)
    app.command()(ps)


def scale(
    counts: Annotated[list[str], typer.Argument(help="How many of each: workers=4 gateways=3.")],
) -> None:
    """Add or remove seat workers and gateways of the running `aisle up`, without an error for any client."""
    settings = command_settings()
    try:
        wanted = read_counts(counts)
    except ValueError as error:
        _wrong_usage(str(error))
    _finish(request(settings.home, wanted, print))


def restart(
    part: Annotated[str, typer.Argument(help=f"One of {', '.join(PARTS)}; never the servers.")],
) -> None:
    """Replace processes of the running `aisle up` one by one, without an error for any client."""
    settings = command_settings()
    if part not in PARTS:
        _wrong_usage(f"{part[:40]!r}: one of {', '.join(PARTS)} is wanted")
    _finish(request(settings.home, Restart(part), print))


def ps(as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False) -> None:
    """Show the processes of the running `aisle up`. Exit status 1 if one is down."""
    reply = request(command_settings().home, ListProcesses(), print)
    if not isinstance(reply, Processes):
        _finish(reply)
    if as_json:
        print(msgspec.json.encode(reply.rows).decode())
    else:
        print("\n".join(table(reply.rows)))
    sys.exit(1 if any(row.pid is None for row in reply.rows) else 0)


def table(rows: Sequence[ProcessRow]) -> list[str]:
    """The lines of the table."""
    lines = [f"{'name':<15} {'pid':>8}  {'since':<20} {'CPU':>6} {'memory':>8}  partitions"]
    for row in rows:
        if row.pid is None:
            lines.append(f"{row.name:<15} {'-':>8}  down, to be started again")
            continue
        since = datetime.fromtimestamp(row.since or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        memory = f"{(row.memory_bytes or 0) / 2**20:.0f} MiB"
        cpu = f"{row.cpu_percent or 0:.1f}%"
        line = f"{row.name:<15} {row.pid:>8}  {since:<20} {cpu:>6} {memory:>8}  {_partitions(row)}"
        lines.append(line.rstrip())
    return lines


def _partitions(row: ProcessRow) -> str:
    if not row.name.startswith("seat-worker-"):
        return ""
    if row.partitions is None:
        return "does not answer"
    return ",".join(map(str, row.partitions)) or "stands by"


def _finish(reply: Reply) -> NoReturn:
    match reply:
        case Done(lines):
            print("\n".join(lines), end="\n" if lines else "")
            sys.exit(0)
        case Refused(reason):
            print(f"aisle: {reason}", file=sys.stderr)
    sys.exit(1)


def _wrong_usage(message: str) -> NoReturn:
    print(f"aisle: {message}", file=sys.stderr)
    sys.exit(2)
