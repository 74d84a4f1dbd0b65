"""`aisle up`: everything on this machine, in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from ops.credentials import Logins, staff_logins
from ops.embedded import EmbeddedServer
from ops.embedded_postgres import EmbeddedPostgres
from ops.embedded_redis import EmbeddedRedis
from ops.home import locked
from ops.keys import jwt_keys
from ops.leftovers import end_leftovers
from ops.listening import listen
from ops.logs import bound_log
from ops.migrations import migrate
from ops.readiness import until_ready
from ops.sample_data import SampleData, load
from ops.services import gateways, notifier, seat_workers, server_program, services
from ops.supervisor import Program, Supervisor
from ops.welcome import welcome
from runtime.metrics_server import telling_for
from runtime.process import CannotStart
from runtime.settings import Settings

_ONLY_HERE = frozenset({"AISLE_ADMIN_PASSWORD", "AISLE_STAFF_PASSWORD"})
"""Settings that the children have no use for."""

_LET_GO_S = 3.0
"""How long a port may still be held by what a killed supervisor left behind."""

_SERVER_READY_S = 60.0

_SAME_KEYSTROKE_S = 0.5
"""A second signal this soon is the first one's echo: some programs send it to the group and to us."""

_log = structlog.get_logger()


def up(settings: Settings) -> None:
    """Runs until told to stop; after that nothing is left running. Raises what `known_reason` knows."""
    with locked(settings.home, "`aisle up`"):
        asyncio.run(_live(settings))


async def _live(settings: Settings) -> None:
    began = time.monotonic()
    run_folder = settings.home / "run"
    run_folder.mkdir(mode=0o700, exist_ok=True)
    supervisor = Supervisor(run_folder)
    house = _House(settings, supervisor, run_folder)
    told = asyncio.create_task(_told_to_stop(supervisor))
    start = asyncio.create_task(house.start())
    try:
        first: set[asyncio.Future[Any]] = {start, told, supervisor.failure}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if supervisor.failure.done():
            supervisor.failure.result()
        if start.done():
            supervisor.settled()
            welcome(settings, *start.result(), time.monotonic() - began)
        await told
        _log.info("stopping")
    finally:
        for task in (start, told):
            task.cancel()
        await asyncio.gather(start, told, return_exceptions=True)
        await house.stop()


async def _told_to_stop(supervisor: Supervisor) -> None:
    """Returns at the first signal to stop. A second one ends everything at once."""
    told = asyncio.Event()
    told_at = 0.0

    def on_signal(number: signal.Signals) -> None:
        nonlocal told_at
        if not told.is_set():
            told_at = time.monotonic()
            told.set()
        elif time.monotonic() - told_at > _SAME_KEYSTROKE_S:
            supervisor.kill_all()
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    await told.wait()


class _House:
    """What runs, from the start of the first part to the end of the last."""

    def __init__(self, settings: Settings, supervisor: Supervisor, run_folder: Path) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._run_folder = run_folder
        self._listener: socket.socket | None = None
        self._metrics = AsyncExitStack()
        self._stages: list[list[str]] = []
        """What has been started, in the opposite order of stopping; what is in one stage stops together."""

    async def start(self) -> tuple[SampleData, Logins]:
        """Starts everything; returns once bookings can be made, with what there is to try."""
        settings = self._settings
        listener = await asyncio.to_thread(self._take_over)
        await self._tell_metrics()
        database_url = settings.database_url or await self._serve(EmbeddedPostgres(settings.home))
        redis_url = settings.redis_url or await self._serve(EmbeddedRedis(settings.home))
        await migrate(database_url)
        async with bound_log(settings, database_url, create=True) as log:
            sample_data = await load(database_url, log, settings=settings)
        logins = staff_logins(settings, sample_data)
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _ONLY_HERE},
            "AISLE_HOME": os.fspath(settings.home),
            "AISLE_DATABASE_URL": database_url,
            "AISLE_REDIS_URL": redis_url,
            "AISLE_JWT_KEYS": settings.jwt_keys or jwt_keys(settings.home),
        }
        self._keep([notifier(environment)])
        self._keep(seat_workers(environment, settings.workers))
        self._keep(gateways(environment, settings.gateways, listener.fileno()))
        await until_ready(listener)
        return sample_data, logins

    async def stop(self) -> None:
        """Stops what was started: gateways first, the database last."""
        await self._metrics.aclose()
        if self._listener is not None:
            self._listener.close()
        for stage in reversed(self._stages):
            await self._supervisor.stop(stage)

    async def _tell_metrics(self) -> None:
        """Has the port of metrics, for all services."""
        settings = self._settings
        names = services(settings.gateways, settings.workers)
        await self._metrics.enter_async_context(telling_for(settings, os.getpid(), names))

    def _take_over(self) -> socket.socket:
        """Ends what an earlier supervisor left behind and takes the port."""
        if left := end_leftovers(self._run_folder):
            _log.warning(
                "an earlier supervisor was killed; what it had started has ended", was=", ".join(left)
            )
        patience_s = _LET_GO_S if left else 0.0
        self._listener = listen(self._settings.host, self._settings.port, patience_s=patience_s)
        return self._listener

    def _keep(self, programs: Sequence[Program]) -> None:
        self._stages.append([program.name for program in programs])
        for program in programs:
            self._supervisor.keep(program)

    async def _serve(self, server: EmbeddedServer) -> str:
        # The slow part, which may be the making of a database, beside the loop; the child itself is started
        # from this thread, with which it is to end.
        await asyncio.to_thread(server.prepare)
        self._keep([server_program(server)])
        deadline = time.monotonic() + _SERVER_READY_S
        while not await asyncio.to_thread(server.answers):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{server.name} is not ready after {_SERVER_READY_S:.0f} s (see {server.log})"
                )
            await asyncio.sleep(0.02)
        return server.url
