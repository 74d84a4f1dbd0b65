"""Metrics endpoint: on AISLE_METRICS_PORT, or from a child of `aisle up` to its supervisor, which has that port.

The port supports the HTTP that Prometheus needs: GET /metrics, one response per connection. Children listen on
abstract Unix sockets named after their supervisor and themselves, which need no clean-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.metrics import CONTENT_TYPE, MetricsSource, exposition, gauge, joined
from runtime.postgres import Pool
from runtime.process import CannotStart
from runtime.process_metrics import ProcessMetrics
from runtime.settings import Settings

Collect = Callable[[], Awaitable[bytes]]

_MAX_CONNECTIONS = 20
_MAX_HEAD = 8 * 1024
_TIMEOUT_S = 5.0
_CHILD_S = 3.0
_PREDECESSOR_EVERY_S = 0.1


@contextlib.asynccontextmanager
async def serve_metrics(
    settings: Settings, service: str, source: MetricsSource, pools: Mapping[str, Pool] | None = None
) -> AsyncIterator[None]:
    """Serves the metrics of this process within the block: those of `source`, of its `pools` by their names, and those
    that every process has. Raises CannotStart for a port that is in use."""
    process = settings.process or service
    metrics = ProcessMetrics(source, pools or {})

    async def collect() -> bytes:
        return await exposition(metrics, process)

    metrics.start()
    try:
        if settings.supervisor is None:
            async with _serving(settings, collect):
                yield
            return
        serving = asyncio.create_task(_serve_supervisor(collect, _socket(settings.supervisor, process)))
        await asyncio.sleep(0)  # so that it listens, if it can
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    finally:
        metrics.stop()


@contextlib.asynccontextmanager
async def serve_child_metrics(
    settings: Settings, supervisor: int, children: Callable[[], Sequence[str]]
) -> AsyncIterator[None]:
    """Serves the metrics of the children that the process `supervisor` has at the time, within the block."""

    async def collect() -> bytes:
        processes = children()
        texts = await asyncio.gather(*(scrape_child(supervisor, process) for process in processes))
        answering: dict[tuple[str, ...], float] = {
            (process,): text is not None for process, text in zip(processes, texts, strict=True)
        }
        up = exposition(_ProcessesUp(answering), "aisle")
        return joined([await up, *filter(None, texts)])

    async with _serving(settings, collect):
        yield


class _ProcessesUp:
    """Metric `aisle_process_up` of the children."""

    def __init__(self, answering: dict[tuple[str, ...], float]) -> None:
        self._answering = answering

    async def metrics(self) -> AsyncIterator[Any]:
        yield gauge(
            "aisle_process_up", "Whether a process of `aisle up` answers.", ["process"], self._answering
        )


def _socket(supervisor: int, process: str) -> str:
    return f"\0aisle-metrics-{supervisor}-{process}"


def _child_handler(
    collect: Collect,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                writer.write(await collect())
                await writer.drain()
        writer.close()

    return answer


async def _serve_supervisor(collect: Collect, address: str) -> None:
    """Serves the supervisor until it is cancelled. A successor waits until its predecessor of the same name ends."""
    while True:
        try:
            server = await asyncio.start_unix_server(_child_handler(collect), address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            await asyncio.sleep(_PREDECESSOR_EVERY_S)
        else:
            break
    try:
        await asyncio.Event().wait()
    finally:
        server.close()


async def scrape_child(supervisor: int, process: str) -> bytes | None:
    """Returns the exposition of a child; None when it does not respond."""
    try:
        async with asyncio.timeout(_CHILD_S):
            reader, writer = await asyncio.open_unix_connection(_socket(supervisor, process))
            try:
                return await reader.read() or None
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None


@contextlib.asynccontextmanager
async def _serving(settings: Settings, collect: Collect) -> AsyncIterator[None]:
    open_connections = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_connections
        open_connections += 1
        try:
            if open_connections <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_TIMEOUT_S):
                    writer.write(await _response(await reader.readuntil(b"\r\n\r\n"), collect))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            open_connections -= 1
            writer.close()

    try:
        server = await asyncio.start_server(connected, settings.host, settings.metrics_port, limit=_MAX_HEAD)
    except OSError as error:
        raise CannotStart(_error_message(error, settings)) from None
    try:
        yield
    finally:
        server.close()


async def _response(head: bytes, collect: Collect) -> bytes:
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        return _http(b"404 Not Found", b"Metrics are at /metrics.\n", [])
    if method not in (b"GET", b"HEAD"):
        return _http(b"405 Method Not Allowed", b"", [b"Allow: GET, HEAD"])
    body = await collect()
    answer = _http(b"200 OK", body, [b"Content-Type: " + CONTENT_TYPE.encode()])
    return answer[: -len(body)] if method == b"HEAD" else answer


def _http(status: bytes, body: bytes, headers: Iterable[bytes]) -> bytes:
    lines = [
        b"HTTP/1.1 " + status,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        *headers,
        b"",
        body,
    ]
    return b"\r\n".join(lines)


def _error_message(error: OSError, settings: Settings) -> str:
    asked = f"AISLE_METRICS_PORT={settings.metrics_port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{asked}: this port of {settings.host} is in use; stop the program that uses it, or set another"
        )
    if error.errno == errno.EACCES:
        return f"{asked}: this user may not listen on it; set one above 1023"
    return f"{asked} AISLE_HOST={settings.host!r}: {error.strerror or error}"
