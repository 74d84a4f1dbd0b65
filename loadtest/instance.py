"""Instances of Aisle for benchmarks and load tests: `aisle up` on a new home, optionally with a Kafka."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from loadtest.bench.homes import environment_of, new_home
from loadtest.bench.processes import CpuMeter, end_with_parent, listening_pid, tree
from loadtest.client import Client, SetupError
from loadtest.free_ports import free_port
from runtime.log import LogUnavailable, WrongLog
from runtime.log.opening import open_log
from runtime.settings import Settings, read_settings
from schemas.wire import COMMANDS_TOPIC

READY_S = 90.0
STOP_S = 90.0
VERIFY_S = 1800.0


class Instance(msgspec.Struct, kw_only=True):
    """A running Aisle. `settings` are those of its gateway, with the addresses of embedded servers."""

    home: Path
    host: str
    port: int
    environment: dict[str, str]
    settings: Settings
    cpu: CpuMeter
    kafka_is_seen: bool
    """Kafka runs on this machine, so its CPU is counted."""


@asynccontextmanager
async def new_instance(*, kafka: bool, keep: bool) -> AsyncIterator[Instance]:
    """Starts an Aisle on a new home and stops it at the end; `kafka` also starts a Kafka for it.

    Raises SetupError with the last output of a process that does not start.
    """
    if outside := os.environ.get("AISLE_KAFKA"):
        await _refuse_used_log(outside)
    with new_home(keep=keep) as home:
        async with instance_on(home, kafka=kafka) as instance:
            yield instance


@asynccontextmanager
async def instance_on(home: Path, *, kafka: bool) -> AsyncIterator[Instance]:
    """Starts an Aisle on a home that may have been used before. Raises like `new_instance`."""
    environment = environment_of(home)
    async with AsyncExitStack() as stack:
        if kafka:
            environment["AISLE_KAFKA"] = await stack.enter_async_context(start_kafka(home, environment))
        supervisor = await stack.enter_async_context(_running("up", home, environment))
        port = int(environment["AISLE_PORT"])
        await _until_ready(supervisor, home, port)
        settings = _settings_of_gateway(supervisor.pid)
        at = _kafka_process(settings.kafka)
        yield Instance(
            home=home,
            host="127.0.0.1",
            port=port,
            environment=environment,
            settings=settings,
            cpu=CpuMeter([supervisor.pid, *at]),
            kafka_is_seen=bool(at),
        )


async def verify(instance: Instance) -> tuple[bool, str]:
    """Runs `aisle verify` on the instance. Returns whether it passed, and its output."""
    process = await asyncio.create_subprocess_exec(
        *_aisle("verify"),
        env=instance.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=end_with_parent,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), VERIFY_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return False, f"no result within {VERIFY_S / 60:.0f} minutes"
    return process.returncode == 0, output.decode(errors="replace").strip()


async def _refuse_used_log(kafka: str) -> None:
    """Raises SetupError when the log has commands: a new home would decide all of them first."""
    log = await open_log(kafka, None)
    try:
        await log.identity()
        bounds = await log.bounds(COMMANDS_TOPIC)
    except WrongLog:  # its topics are missing, as expected
        return
    except LogUnavailable as error:
        raise SetupError(str(error)) from None
    finally:
        await log.close()
    if any(end for _, end in bounds.values()):
        raise SetupError(
            f"AISLE_KAFKA={kafka} already has the log of an Aisle; give the benchmark an empty Kafka, "
            "or unset AISLE_KAFKA and use --log kafka, which starts one"
        )


def _aisle(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ops", *arguments]


@asynccontextmanager
async def _running(
    command: str, home: Path, environment: Mapping[str, str], *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    with _output(home, command).open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_aisle(command, *options),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=end_with_parent,
            # Ctrl-C reaches the benchmark alone, which then stops the others in order.
            process_group=0,
        )
    try:
        yield process
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def start_kafka(home: Path, environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Starts one Kafka node with its data in the home. Yields its address."""
    port = free_port(following=1)
    async with _running("kafka", home, environment, "--port", str(port)) as process:
        deadline = time.monotonic() + READY_S
        while not _accepts_connections(port):
            _still_running(process, "kafka", home, deadline)
            await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}"


async def _until_ready(process: asyncio.subprocess.Process, home: Path, port: int) -> None:
    deadline = time.monotonic() + READY_S
    async with Client("127.0.0.1", port) as client:
        while True:
            _still_running(process, "up", home, deadline)
            try:
                if (await client.call("GET", "/health/ready", timeout_s=5)).status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)


def _still_running(process: asyncio.subprocess.Process, command: str, home: Path, deadline: float) -> None:
    output = _output(home, command).read_text(errors="replace").strip()[-2000:]
    if process.returncode is not None:
        raise SetupError(f"`aisle {command}` ended with status {process.returncode}: {output}")
    if time.monotonic() > deadline:
        raise SetupError(f"`aisle {command}` is not ready after {READY_S:.0f} s: {output}")


def _output(home: Path, command: str) -> Path:
    return home / f"bench-{command}.out"


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _settings_of_gateway(supervisor: int) -> Settings:
    """Settings from the gateway's environment: the supervisor adds the database and the signing keys."""
    for process in tree([supervisor]):
        try:
            if "gateway" in process.cmdline():
                return read_settings(process.environ())
        except psutil.Error:
            continue
    raise SetupError("`aisle up` has no gateway process")


def _kafka_process(kafka: str | None) -> list[int]:
    """The process of a Kafka on this machine, whose CPU is counted; none for a Kafka elsewhere."""
    if kafka is None:
        return []
    host, _, port = kafka.split(",")[0].rpartition(":")
    pid = listening_pid(int(port)) if host in ("127.0.0.1", "localhost", "[::1]", "::1") else None
    return [] if pid is None else [pid]
