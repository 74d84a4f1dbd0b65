"""Do-nothing server: `python -m loadtest.bench.do_nothing PORT asgi|fast`.

The gateway's HTTP server without any work: every request is read and gets 201 with a body of a booking's size.
`asgi`: as an ASGI application on uvicorn; `fast`: through the gateway's fast path. Its rate is the upper bound of
the HTTP server, generator included.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import uvicorn
import uvloop

from gateway.http.exchange import Exchange
from gateway.server.connections import Connections
from gateway.server.http_protocol import BoundedHttp
from gateway.server.response_writer import ResponseWriter
from loadtest.bench.processes import end_with_parent

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY = b'{"nothing":"%b"}' % (b"." * 310)
_START = {
    "type": "http.response.start",
    "status": 201,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_END = {"type": "http.response.body", "body": _BODY}


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application that reads a request and sends a response."""
    while (await receive()).get("more_body"):
        pass
    await send(dict(_START))
    await send(dict(_END))


class DoNothing:
    """Fast path whose handler does nothing."""

    def find(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Any | None:
        return self

    def rejection(self, route: Any) -> None:
        return None

    def handle(self, route: Any, exchange: Exchange) -> None:
        exchange.respond(201, _BODY)

    def finished(self, route: Any, status: int, took_s: float) -> None:
        pass


async def _serve(port: int, way: str) -> None:
    http: Any = (
        "httptools" if way == "asgi" else partial(BoundedHttp, DoNothing(), ResponseWriter(), Connections())
    )
    config = uvicorn.Config(
        respond, port=port, http=http, ws="none", lifespan="off", access_log=False,
        log_level="warning", server_header=False, timeout_keep_alive=75, backlog=2048,
    )  # fmt: skip
    gc.collect()
    gc.freeze()
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    end_with_parent()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), sys.argv[2]))
