"""The servers of `make servers`: addresses, and a check that they run."""

from __future__ import annotations

import socket
from pathlib import Path

from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis

HOME = Path(__file__).parents[1] / ".aisle-test"
KAFKA_ADDRESS = HOME / "kafka.address"


def postgres() -> EmbeddedPostgres:
    return EmbeddedPostgres(HOME)


def redis() -> EmbeddedRedis:
    return EmbeddedRedis(HOME)


def kafka_address() -> str | None:
    """Returns `host:port` of the running Kafka; None without one."""
    try:
        address = KAFKA_ADDRESS.read_text()
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=1):
            return address
    except (OSError, ValueError):
        return None
