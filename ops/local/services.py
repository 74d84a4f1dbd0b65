"""The programs of an instance: command lines, environments and stop timeouts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import structlog

from ops.local.embedded import EmbeddedServer
from ops.local.supervisor import Program

_log = structlog.get_logger()

_ONLY_FOR_THE_START = ("AISLE_ADMIN_PASSWORD", "AISLE_STAFF_PASSWORD")


def services(gateways: int, workers: int) -> list[str]:
    """Returns the names of the services of an instance."""
    numbered = (("gateway", gateways), ("seat-worker", workers))
    return ["notifier", *(f"{kind}-{n}" for kind, count in numbered for n in range(1, count + 1))]


def gateways(environment: Mapping[str, str], count: int, listen_fd: int) -> list[Program]:
    """Returns gateways that share the listening socket `listen_fd`."""
    return [
        _service(f"gateway-{n}", "gateway", environment, stop_s=25, listen_fd=listen_fd)
        for n in range(1, count + 1)
    ]


def seat_workers(environment: Mapping[str, str], count: int) -> list[Program]:
    """Returns seat workers; the log assigns partitions to them."""
    return [_service(f"seat-worker-{n}", "seat_workers", environment, stop_s=15) for n in range(1, count + 1)]


def notifier(environment: Mapping[str, str]) -> Program:
    """Returns the notifier, which runs at idle priority."""
    return _service("notifier", "notifier", environment, stop_s=25, idle_priority=True)


def server_program(server: EmbeddedServer) -> Program:
    """Returns an embedded server as a program."""

    def start() -> subprocess.Popen[bytes]:
        server.prepare()
        return server.start()

    return Program(
        name=server.name,
        start=start,
        stop_signal=server.stop_signal,
        stop_s=30,
        why_ended=lambda: f"{server.last_error()} (see {server.log})",
    )


def _service(
    name: str,
    module: str,
    environment: Mapping[str, str],
    *,
    stop_s: float,
    listen_fd: int | None = None,
    idle_priority: bool = False,
) -> Program:
    own = {key: value for key, value in environment.items() if key not in _ONLY_FOR_THE_START}
    own |= {"AISLE_PROCESS": name, "AISLE_SUPERVISED": str(os.getpid())}
    # Files in the current folder must not be imported as modules.
    own["PYTHONSAFEPATH"] = "1"
    if listen_fd is not None:
        own["AISLE_LISTEN_FD"] = str(listen_fd)

    def start() -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            env=own,
            stdin=subprocess.DEVNULL,
            pass_fds=() if listen_fd is None else (listen_fd,),
            process_group=0,  # Ctrl-C is for the supervisor, which stops its children in order
        )
        if idle_priority:
            _set_idle_priority(child.pid)
        return child

    return Program(name=name, start=start, stop_s=stop_s)


def _set_idle_priority(pid: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError as error:
        _log.warning("priority_not_changed", pid=pid, error=str(error))
