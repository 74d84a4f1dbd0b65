"""`aisle up`: all services on this machine, in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from ops.backup.catalogue import recover_catalogue_of
from ops.local.control_server import ControlServer
from ops.local.credentials import Logins, staff_logins
from ops.local.embedded import EmbeddedServer
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.local.fleet import Fleet
from ops.local.home import lock_home
from ops.local.keys import jwt_keys, ticket_keys
from ops.local.listening import listen
from ops.local.notices import Notices
from ops.local.operations import Operations
from ops.local.orphans import end_orphans
from ops.local.pruning import prune_daily
from ops.local.readiness import wait_until_ready
from ops.local.services import server_program
from ops.local.supervisor import Supervisor
from ops.local.welcome import welcome
from ops.logs import bound_log
from ops.migrations import migrate
from ops.sample.data import SampleData, load
from runtime.metrics_server import serve_child_metrics
from runtime.process import CannotStart
from runtime.settings import Settings

_ONLY_HERE = frozenset({"AISLE_ADMIN_PASSWORD", "AISLE_STAFF_PASSWORD"})
"""Settings that are not passed to the children."""

_PORT_RELEASE_S = 3.0
"""Seconds for which a port may still be held by orphaned processes."""

_SERVER_READY_S = 60.0

_SAME_KEYSTROKE_S = 0.5
"""Repeats of the signal within this time are ignored: some programs send it to the group and to the process."""

_log = structlog.get_logger()


def up(settings: Settings) -> None:
    """Runs until a stop signal; leaves no process running. Raises the errors that `known_reason` explains."""
    with lock_home(settings.home, "`aisle up`"):
        asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    began = time.monotonic()
    run_folder = settings.home / "run"
    run_folder.mkdir(mode=0o700, exist_ok=True)
    notices = Notices()
    supervisor = Supervisor(run_folder, notices)
    instance = _Instance(settings, supervisor, run_folder, notices)
    stop = asyncio.create_task(_wait_for_signal(supervisor))
    start = asyncio.create_task(instance.start())
    try:
        first: set[asyncio.Future[Any]] = {start, stop, supervisor.failure}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if supervisor.failure.done():
            supervisor.failure.result()
        if start.done():
            started = start.result()
            supervisor.settled()
            await instance.take_commands()
            welcome(settings, *started, time.monotonic() - began)
        await stop
        _log.info("stopping")
    finally:
        for task in (start, stop):
            task.cancel()
        await asyncio.gather(start, stop, return_exceptions=True)
        await instance.stop()


async def _wait_for_signal(supervisor: Supervisor) -> None:
    """Returns at the first stop signal. A second one kills all children and exits."""
    stop = asyncio.Event()
    signalled_at = 0.0

    def on_signal(number: signal.Signals) -> None:
        nonlocal signalled_at
        if not stop.is_set():
            signalled_at = time.monotonic()
            stop.set()
        elif time.monotonic() - signalled_at > _SAME_KEYSTROKE_S:
            supervisor.kill_all()
            os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    await stop.wait()


class _Instance:
    """The running parts, from the start of the first to the end of the last."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, run_folder: Path, notices: Notices
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._run_folder = run_folder
        self._notices = notices
        self._listener: socket.socket | None = None
        self._metrics = AsyncExitStack()
        self._control = AsyncExitStack()
        self._servers: list[str] = []
        """Started servers, which stop in reverse order."""
        self._fleet: Fleet | None = None
        self._pruning: asyncio.Task[None] | None = None

    async def start(self) -> tuple[SampleData, Logins]:
        """Starts all parts; returns the sample data and logins once bookings can be made."""
        settings = self._settings
        listener = await asyncio.to_thread(self._end_orphans_and_listen)
        await self._serve_metrics()
        database_url = settings.database_url or await self._serve(EmbeddedPostgres(settings.home))
        redis_url = settings.redis_url or await self._serve(EmbeddedRedis(settings.home))
        await migrate(database_url)
        async with bound_log(settings, database_url, create=True) as log:
            await recover_catalogue_of(database_url, log)
            sample_data = await load(database_url, log, settings=settings)
        logins = staff_logins(settings, sample_data)
        environment = {
            **{name: value for name, value in os.environ.items() if name not in _ONLY_HERE},
            "AISLE_HOME": os.fspath(settings.home),
            "AISLE_DATABASE_URL": database_url,
            "AISLE_REDIS_URL": redis_url,
            "AISLE_JWT_KEYS": settings.jwt_keys or jwt_keys(settings.home),
            "AISLE_TICKET_KEYS": settings.ticket_keys or ticket_keys(settings.home),
            "NOTIFY_SOCKET": self._notices.address,
        }
        self._fleet = Fleet(self._supervisor, environment, listener.fileno())
        self._fleet.start(workers=settings.workers, gateways=settings.gateways)
        await wait_until_ready(listener)
        if settings.keep is not None:
            self._pruning = asyncio.create_task(prune_daily(environment), name="daily prune")
        return sample_data, logins

    async def take_commands(self) -> None:
        """Takes the commands of `aisle scale`, `restart` and `ps` from now on."""
        assert self._fleet is not None
        server = ControlServer(Operations(self._settings, self._supervisor, self._fleet).carry_out)
        await self._control.enter_async_context(server.serving(self._run_folder))

    async def stop(self) -> None:
        """Stops the started parts: gateways first, the database last."""
        await self._control.aclose()
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        await self._metrics.aclose()
        if self._listener is not None:
            self._listener.close()
        if self._fleet is not None:
            await self._fleet.stop()
        for server in reversed(self._servers):
            await self._supervisor.stop([server])
        self._notices.close()

    async def _serve_metrics(self) -> None:
        """Serves the metrics of all services on AISLE_METRICS_PORT."""

        def names() -> list[str]:
            return [] if self._fleet is None else self._fleet.names()

        await self._metrics.enter_async_context(serve_child_metrics(self._settings, os.getpid(), names))

    def _end_orphans_and_listen(self) -> socket.socket:
        """Ends orphaned processes of an earlier supervisor and binds the port."""
        if orphans := end_orphans(self._run_folder):
            _log.warning("orphans_ended", programs=", ".join(orphans))
        retry_for_s = _PORT_RELEASE_S if orphans else 0.0
        self._listener = listen(self._settings.host, self._settings.port, retry_for_s=retry_for_s)
        return self._listener

    async def _serve(self, server: EmbeddedServer) -> str:
        # Preparation may create a database and runs in another thread; the child is started from this one, because
        # it receives its stop signal when the thread that started it ends.
        await asyncio.to_thread(server.prepare)
        program = server_program(server)
        self._servers.append(program.name)
        self._supervisor.keep(program)
        deadline = time.monotonic() + _SERVER_READY_S
        while not await asyncio.to_thread(server.is_ready):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{server.name} is not ready after {_SERVER_READY_S:.0f} s (see {server.log})"
                )
            await asyncio.sleep(0.02)
        return server.url
