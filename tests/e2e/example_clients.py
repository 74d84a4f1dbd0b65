"""The clients in `examples/`, driven alike: a call is a line of their own language, its result JSON."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE = shutil.which("node")
PATIENCE_S = 60

_DRIVER = """
import { createInterface } from "node:readline";
const { Aisle } = await import(process.argv[1]);
const [url, username, password] = process.argv.slice(2);
const aisle = new Aisle(url, username, password);
const say = (message) => console.log(JSON.stringify(message));
const stop = new AbortController();
const fail = (error) => say({ watch: "failed", what: String(error) });
for await (const line of createInterface({ input: process.stdin })) {
  const [ref, call, ...given] = JSON.parse(line);
  if (call === "watchSeats")
    aisle.watchSeats(given[0], (seats) => say({
      watch: "seats", version: seats.version, states: Object.fromEntries(seats.states) }), stop.signal).catch(fail);
  else if (call === "watchBookings")
    aisle.watchBookings((booking) => say({ watch: "booking", booking }), stop.signal).catch(fail);
  else
    aisle[call](...given).then(
      (result) => say({ ref, result }),
      ({ code, seats, status, message }) => say({ ref, refused: { code, seats, status, message } }));
}
stop.abort();
"""


class ExampleClient(Protocol):
    """One running client, logged in lazily as its user."""

    watched: list[dict[str, Any]]
    """Reports of its watchers, oldest first: `{watch: "seats", …}`, `{watch: "booking", …}`."""

    async def call(self, name: str, *given: Any) -> dict[str, Any]:
        """`{"result": booking}`, or `{"refused": {code, seats, status}}`."""

    def watch_seats(self, show_id: int) -> None: ...

    def watch_bookings(self) -> None: ...


Start = Callable[[str, str, str], contextlib.AbstractAsyncContextManager[ExampleClient]]


def python_module() -> ModuleType:
    """examples/client.py, imported."""
    spec = importlib.util.spec_from_file_location("example_client", EXAMPLES / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class _Python:
    def __init__(self, module: ModuleType, aisle: Any) -> None:
        self.module = module
        self.aisle = aisle
        self.watched: list[dict[str, Any]] = []
        self.watching: list[asyncio.Task[None]] = []

    async def call(self, name: str, *given: Any) -> dict[str, Any]:
        wanted = given[-1] if name == "hold" else {}
        try:
            return {"result": await getattr(self.aisle, name)(*given[:2], **wanted)}
        except self.module.Refused as refusal:
            return {"refused": {"code": refusal.code, "seats": refusal.seats, "status": refusal.status}}

    def watch_seats(self, show_id: int) -> None:
        async def watch() -> None:
            async for seats in self.aisle.watch_seats(show_id):
                self.watched.append(
                    {"watch": "seats", "version": seats.version, "states": dict(seats.states)}
                )

        self.watching.append(asyncio.create_task(watch()))

    def watch_bookings(self) -> None:
        async def watch() -> None:
            async for booking in self.aisle.watch_bookings():
                self.watched.append({"watch": "booking", "booking": booking})

        self.watching.append(asyncio.create_task(watch()))


@contextlib.asynccontextmanager
async def python_client(url: str, username: str, password: str) -> AsyncIterator[ExampleClient]:
    """examples/client.py."""
    module = python_module()
    async with module.Aisle(url, username, password) as aisle:
        client = _Python(module, aisle)
        try:
            yield client
        finally:
            for task in client.watching:
                task.cancel()
            await asyncio.gather(*client.watching, return_exceptions=True)


class _JavaScript:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.watched: list[dict[str, Any]] = []
        self.calls: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def call(self, name: str, *given: Any) -> dict[str, Any]:
        ref = len(self.calls)
        self.calls[ref] = asyncio.get_running_loop().create_future()
        self._send(ref, name, *given)
        return await self.calls[ref]

    def watch_seats(self, show_id: int) -> None:
        self._send(-1, "watchSeats", show_id)

    def watch_bookings(self) -> None:
        self._send(-1, "watchBookings")

    def _send(self, *message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = json.loads(line)
            if "watch" in message:
                self.watched.append(message)
            else:
                self.calls[message.pop("ref")].set_result(message)
        for call in self.calls.values():
            if not call.done():
                call.set_exception(AssertionError("node has ended"))


def javascript_client(*options: str) -> Start:
    """examples/client.mjs in Node, started with these options."""

    @contextlib.asynccontextmanager
    async def start(url: str, username: str, password: str) -> AsyncIterator[ExampleClient]:
        assert NODE is not None
        module = (EXAMPLES / "client.mjs").as_uri()
        process = await asyncio.create_subprocess_exec(
            *(NODE, "--no-warnings", *options, "--input-type=module", "--eval", _DRIVER, module),
            *(url, username, password),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=16 * 1024 * 1024,
        )
        client = _JavaScript(process)
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                assert await asyncio.wait_for(process.wait(), 20) == 0
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await reading

    return start


async def eventually(holds: Callable[[], Any], what: str) -> None:
    """Waits until `holds()` is truthy."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)
