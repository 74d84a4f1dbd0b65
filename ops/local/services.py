"""The programs of an instance: command lines, environments and stop timeouts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import structlog

from ops.local.embedded import EmbeddedServer
from ops.local.lineage import Lineage, Spawn
from ops.local.supervisor import Program

_log = structlog.get_logger()

_ONLY_FOR_THE_START = ("AISLE_ADMIN_PASSWORD", "AISLE_STAFF_PASSWORD")


def gateway(environment: Mapping[str, str], number: int, listen_fd: int) -> Program:
    """Returns a gateway; all share the listening socket `listen_fd`."""
    spawn = _spawn(f"gateway-{number}", "gateway", {**environment, "AISLE_LISTEN_FD": str(listen_fd)})
    return Program(name=f"gateway-{number}", start=lambda: spawn({}, (listen_fd,)), stop_s=25)


def seat_worker(environment: Mapping[str, str], number: int) -> Program:
    """Returns a seat worker; the log assigns partitions to it, and its successor takes exactly these."""
    name = f"seat-worker-{number}"
    lineage = Lineage(_spawn(name, "seat_workers", environment))
    return Program(
        name=name,
        start=lineage.start,
        start_successor=lineage.start_successor,
        hand_over=lineage.hand_over,
        stop_s=15,
    )


def notifier(environment: Mapping[str, str]) -> Program:
    """Returns the notifier, which runs at idle priority."""
    spawn = _spawn("notifier", "notifier", environment, idle_priority=True)
    return Program(name="notifier", start=lambda: spawn({}, ()), stop_s=25)


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


def _spawn(name: str, module: str, environment: Mapping[str, str], *, idle_priority: bool = False) -> Spawn:
    own = {key: value for key, value in environment.items() if key not in _ONLY_FOR_THE_START}
    own |= {"AISLE_PROCESS": name, "AISLE_SUPERVISED": str(os.getpid())}
    # Files in the current folder must not be imported as modules.
    own["PYTHONSAFEPATH"] = "1"

    def spawn(more: Mapping[str, str], inherited: tuple[int, ...]) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**own, **more},
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            process_group=0,  # Ctrl-C is for the supervisor, which stops its children in order
        )
        if idle_priority:
            _set_idle_priority(child.pid)
        return child

    return spawn


def _set_idle_priority(pid: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError as error:
        _log.warning("priority_not_changed", pid=pid, error=str(error))
