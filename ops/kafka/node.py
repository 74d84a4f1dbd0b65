"""A real Kafka on this machine without Docker: one node for trials, one or three for tests.

Each node is broker and controller (KRaft), listens on 127.0.0.1 and dies with the thread that started it.
A killed process loses nothing that was acknowledged; a single node is not safe against a power failure.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ops.kafka.jars import kafka_jars
from runtime.process import CannotStart

START_S = 60.0
STOP_S = 20.0

METADATA_REQUEST = struct.pack(">hhihib", 3, 5, 1, -1, 0, 0)
"""API key, version, correlation id, no client id, no topics, no creation of topics."""


class Ports(NamedTuple):
    """Ports of a node: for clients and for the other nodes."""

    clients: int
    controller: int


class KafkaNode:
    """A node: broker and controller. Order of calls: `spawn` and `wait_ready`, or `start`; then `stop` or `kill`.

    It is killed when the thread that started it ends.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        *,
        node_id: int = 1,
        voters: Sequence[Ports] | None = None,
        cluster_id: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """`voters`: the ports of all nodes, the first being those of node 1. `cluster_id`: common
        to all nodes of a cluster; generated for a single node. `settings`: of the broker, beside those here."""
        self.folder = folder
        self.ports = ports
        self.node_id = node_id
        self.voters = [ports] if voters is None else list(voters)
        self.cluster_id = cluster_id or _new_cluster_id()
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Value for AISLE_KAFKA."""
        return f"127.0.0.1:{self.ports.clients}"

    @property
    def log(self) -> Path:
        return self.folder / "kafka.log"

    def start(self) -> None:
        """Starts it and waits until it is ready. Raises CannotStart."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Starts it, formatting its storage the first time. Raises CannotStart."""
        jars = kafka_jars()
        for port in self.ports:
            _check_free(port)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.properties").write_text(self._properties())
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(jars)
        die_with_parent = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*die_with_parent, *self._java(jars, "kafka.Kafka"), "server.properties"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                process_group=0,
            )

    def wait_ready(self) -> None:
        """Waits until it accepts requests and knows all other nodes. Raises CannotStart."""
        deadline = time.monotonic() + START_S
        while _known_brokers(self.ports.clients) < len(self.voters):
            if self._process is None or self._process.poll() is not None:
                raise CannotStart(f"Kafka does not start: {self._last_words()} (see {self.log})")
            if time.monotonic() > deadline:
                self.kill()
                raise CannotStart(f"Kafka is not ready after {START_S:.0f} s (see {self.log})")
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stops it in order."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """Kills it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Waits until it has ended. Returns its exit status."""
        return self._process.wait() if self._process is not None else 0

    def _properties(self) -> str:
        nodes = len(self.voters)
        voters = [f"{number}@127.0.0.1:{ports.controller}" for number, ports in enumerate(self.voters, 1)]
        clients = f"PLAINTEXT://127.0.0.1:{self.ports.clients}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.node_id,
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{clients},CONTROLLER://127.0.0.1:{self.ports.controller}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": nodes,
            "offsets.topic.replication.factor": nodes,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": nodes,
            "transaction.state.log.min.isr": min(nodes, 2),
            # Members that die, and nodes, are noticed within seconds.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 100,
            "broker.heartbeat.interval.ms": 400,
            "broker.session.timeout.ms": 2_000,
            "controller.quorum.election.timeout.ms": 500,
            "controller.quorum.fetch.timeout.ms": 1_000,
            # A node of 256 MB.
            "num.network.threads": 2,
            "num.io.threads": 2,
            "log.cleaner.dedupe.buffer.size": 4 * 2**20,
        }
        return "".join(f"{name}={value}\n" for name, value in (settings | self._settings).items())

    def _format(self, jars: Path) -> None:
        options = ["format", "--cluster-id", self.cluster_id, "--config", "server.properties"]
        tool = subprocess.run(
            [*self._java(jars, "kafka.tools.StorageTool"), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=_environment(),
            check=False,
        )
        if tool.returncode != 0:
            self.log.write_bytes(tool.stdout)
            raise CannotStart(f"Kafka cannot format its storage: {self._last_words()} (see {self.log})")

    @staticmethod
    def _java(jars: Path, main: str) -> list[str]:
        memory = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *memory, logging, "-cp", f"{os.fspath(jars.absolute())}/*", main]

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        complaints = [line for line in lines if "ERROR" in line or "Exception" in line]
        return (complaints or lines or ["its log is empty"])[-1].strip()


class KafkaCluster:
    """A cluster of one node or three. With three it stays available when one node is killed."""

    def __init__(self, folder: Path, *, nodes: int = 1, ports: Sequence[Ports] | None = None) -> None:
        """`ports`: of each node; free ports by default."""
        ports = free_ports(nodes) if ports is None else ports
        cluster_id = _new_cluster_id()
        self.nodes = [
            KafkaNode(folder / f"node-{n}", own, node_id=n, voters=ports, cluster_id=cluster_id)
            for n, own in enumerate(ports, 1)
        ]

    @property
    def address(self) -> str:
        """Value for AISLE_KAFKA."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Starts all nodes and waits until each knows all others. Raises CannotStart after killing all nodes."""
        try:
            for node in self.nodes:
                node.spawn()
            for node in self.nodes:
                node.wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stops all nodes at the same time: one after the other, the last would wait for a leader that is gone."""
        threads = [threading.Thread(target=node.stop) for node in self.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def kill(self) -> None:
        """Kills all nodes. Unlike in a power failure, the operating system still writes its buffers."""
        for node in self.nodes:
            node.kill()


def run(home: Path, port: int) -> int:
    """Runs one node in the foreground until a signal ends it. Its data is in `home`/kafka.

    Returns the exit status: 0, or 1 with a one-line reason when it could not start or ended by itself.
    """
    node = KafkaNode(home.absolute() / "kafka", Ports(port, port + 1))
    stopping = threading.Event()

    def on_signal(*_: object) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        node.start()
    except CannotStart as error:
        node.kill()
        print(f"aisle kafka: {error}", flush=True)
        return 1
    print(f"Kafka is ready. Use it with: AISLE_KAFKA={node.address}", flush=True)
    while node.running and not stopping.wait(0.2):
        pass
    if not stopping.is_set():
        print(f"aisle kafka: Kafka ended by itself with status {node.wait()} (see {node.log})", flush=True)
        return 1
    node.stop()
    return 0


def free_ports(nodes: int) -> list[Ports]:
    """Returns unused ports, two for each node."""
    sockets = [socket.socket() for _ in range(2 * nodes)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    numbers = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [Ports(numbers[2 * n], numbers[2 * n + 1]) for n in range(nodes)]


def _environment() -> dict[str, str]:
    # Java decodes paths by the locale; without one it fails on paths with characters outside ASCII.
    return os.environ | {"LC_ALL": "C.UTF-8"}


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            raise CannotStart(f"{port} is not a port") from None
        except OSError as error:
            raise CannotStart(f"port {port} cannot be used: {error.strerror}") from None


def _known_brokers(port: int) -> int:
    """Returns the number of brokers that a node reports; 0 while it does not respond."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
            answer = connection.recv(16, socket.MSG_WAITALL)
    except OSError:
        return 0
    return int.from_bytes(answer[12:16], "big") if len(answer) == 16 else 0


def _new_cluster_id() -> str:
    # Kafka writes ids as base64; its tools would take a leading dash for an option.
    written = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return written if written[0] not in "-_" else _new_cluster_id()
