"""The control socket of a supervisor: who may use it, what it refuses, and what the command says without one."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.local.control_client import request
from ops.local.control_messages import (
    NAME,
    Done,
    ListProcesses,
    Processes,
    Refused,
    Reply,
    Request,
    Restart,
    Scale,
    encode,
)
from ops.local.control_server import ControlServer
from ops.local.home import lock_home
from runtime.process import CannotStart


class Supervised:
    """Carries out requests as far as the test lets it."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.cancelled = False
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def carry_out(self, do: Scale | Restart | ListProcesses, report: Callable[[str], None]) -> Reply:
        if isinstance(do, ListProcesses):
            return Processes([])
        report("begun")
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        self.done.append(do)
        return Done(["done"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose path is too long for a Unix socket."""
    home = tmp_path / ("long" * 40) / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    return home


async def ask(home: Path, do: Scale | Restart | ListProcesses, lines: list[str] | None = None) -> Reply:
    report = lines.append if lines is not None else lambda _: None
    return await asyncio.to_thread(request, home, do, report)


async def raw(home: Path, line: bytes) -> bytes:
    """Sends one line from another release and returns the reply."""
    folder = os.open(home / "run", os.O_PATH)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{NAME}")
    finally:
        os.close(folder)
    writer.write(line)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_second_request_is_refused_while_one_runs_and_the_processes_are_listed(home: Path) -> None:
    supervised, lines = Supervised(), list[str]()
    async with ControlServer(supervised.carry_out).serving(home / "run"):
        assert stat.S_IMODE((home / "run" / NAME).stat().st_mode) == 0o600
        first = asyncio.create_task(ask(home, Scale(workers=4), lines))
        await supervised.begun.wait()
        for second in (Scale(gateways=2), Restart("all")):
            assert await ask(home, second) == Refused(
                "`aisle scale workers=4` is still running in this home; nothing was changed"
            )
        assert await ask(home, ListProcesses()) == Processes([])
        supervised.go_on.set()
        assert await first == Done(["done"])
        assert lines == ["begun"]
        assert await ask(home, Restart("workers")) == Done(["done"])
    assert supervised.done == [Scale(workers=4), Restart("workers")]
    assert not (home / "run" / NAME).exists()


async def test_what_runs_is_cancelled_when_the_supervisor_stops(home: Path) -> None:
    supervised = Supervised()
    async with ControlServer(supervised.carry_out).serving(home / "run"):
        asked = asyncio.create_task(ask(home, Restart("all")))
        await supervised.begun.wait()
    assert supervised.cancelled
    reply = await asked
    assert isinstance(reply, Refused)
    assert "is stopping" in reply.reason


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"nonsense\n",
        encode(Request(2, Scale(workers=1))) + b"\n",
        b'{"protocol":1,"do":{"type":"drain"}}\n',
        b'{"protocol":1,"do":{"type":"scale","workers":"x"}}\n',
    ],
)
async def test_a_command_of_another_release_is_refused_in_one_line(home: Path, line: bytes) -> None:
    supervised = Supervised()
    async with ControlServer(supervised.carry_out).serving(home / "run"):
        answer = await raw(home, line)
    assert b"of another release" in answer
    assert answer.count(b"\n") == 1
    assert supervised.done == []


async def test_a_supervisor_of_another_release_is_named(home: Path) -> None:
    async def newer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"type":"queued","at":3}\n')
        writer.close()

    folder = os.open(home / "run", os.O_PATH)
    server = await asyncio.start_unix_server(newer, f"/proc/self/fd/{folder}/{NAME}")
    try:
        reply = await ask(home, Scale(workers=2))
    finally:
        server.close()
        os.close(folder)
    assert isinstance(reply, Refused)
    assert "is of another release" in reply.reason


async def test_without_a_supervisor_the_command_says_so(home: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no `aisle up` runs in this home"):
        await ask(home, Scale(workers=2))
    missing = tmp_path / "missing"
    with pytest.raises(CannotStart, match="no `aisle up` runs in this home"):
        await ask(missing, Scale(workers=2))
    assert not missing.exists()
    with (
        lock_home(home, "`aisle up`"),
        pytest.raises(CannotStart, match="takes no commands: it is starting or stopping"),
    ):
        await ask(home, Scale(workers=2))
