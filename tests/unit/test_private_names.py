"""Private names of uvicorn and aiokafka: pinned versions, one importing file each, expected signatures."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiokafka
import aiokafka.admin
import pytest
import uvicorn
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import MessageAccumulator

from gateway.server import uvicorn_private
from tests.unit.test_imports import CHECKOUT, OURS, imports, modules

HOLDERS = {
    "uvicorn": CHECKOUT / "gateway/server/uvicorn_private.py",
    "aiokafka": CHECKOUT / "runtime/log/kafka_private.py",
}
PUBLIC = {
    "uvicorn": {"uvicorn", "uvicorn.Config", "uvicorn.Server"},
    "aiokafka": {
        "aiokafka",
        "aiokafka.errors",
        "aiokafka.admin",
        "aiokafka.admin.config_resource",
        *(f"aiokafka.{name}" for name in aiokafka.__all__),
        *(f"aiokafka.admin.{name}" for name in aiokafka.admin.__all__),
        "aiokafka.admin.config_resource.ConfigResource",
        "aiokafka.admin.config_resource.ConfigResourceType",
    },
}

SIGNATURES: list[tuple[Any, str, list[str]]] = [
    (uvicorn.Server, "shutdown", ["self", "sockets"]),
    (uvicorn.Server, "capture_signals", ["self"]),
    (uvicorn_private.HttpToolsProtocol, "__init__", ["self", "config", "server_state", "app_state", "_loop"]),
    (uvicorn_private.HttpToolsProtocol, "connection_made", ["self", "transport"]),
    (uvicorn_private.HttpToolsProtocol, "connection_lost", ["self", "exc"]),
    (uvicorn_private.HttpToolsProtocol, "_start_asgi_task", ["self", "cycle", "app"]),
    (uvicorn_private.HttpToolsProtocol, "_should_upgrade", ["self"]),
    (uvicorn_private.HttpToolsProtocol, "shutdown", ["self"]),
    (
        uvicorn_private.RequestResponseCycle,
        "__init__",
        [
            "self", "scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers",
            "message_event", "expect_100_continue", "keep_alive", "on_response",
        ],
    ),
    (uvicorn_private.RequestResponseCycle, "send", ["self", "message"]),
    (uvicorn_private.FlowControl, "__init__", ["self", "transport"]),
    (uvicorn_private.FlowControl, "pause_reading", ["self"]),
    (uvicorn_private.FlowControl, "resume_reading", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "data_received", ["self", "data"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "send", ["self", "message"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "receive", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "shutdown", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "stop_keepalive", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "keepalive_timeout", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "handle_parser_exception", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "handle_connect", ["self", "event"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "handle_cont", ["self", "event"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "handle_ping", ["self"]),
    (uvicorn_private.WebSocketsSansIOProtocol, "handle_pong", ["self", "event"]),
    (aiokafka.AIOKafkaConsumer, "getmany", ["self", "partitions", "timeout_ms", "max_records"]),
    (AIOKafkaClient, "_metadata_update", ["self", "cluster_metadata", "topics"]),
    (AIOKafkaClient, "bootstrap", ["self"]),
    (AIOKafkaConnection, "close", ["self"]),
    (AIOKafkaClient, "_wait_on_metadata", ["self", "topic"]),
    (AIOKafkaClient, "force_metadata_update", ["self"]),
    (GroupCoordinator, "check_errors", ["self"]),
    (MessageAccumulator, "fail_all", ["self", "exception"]),
    (aiokafka.admin.AIOKafkaAdminClient, "_send_request", ["self", "request", "node_id"]),
]  # fmt: skip
"""Functions that are called or overridden, and their parameters."""

ATTRIBUTES = {
    uvicorn_private.HttpToolsProtocol: {
        "access_log", "access_logger", "app", "app_state", "asgi_version", "client", "config", "connections",
        "cycle", "flow", "headers", "logger", "loop", "parser", "pipeline", "root_path", "scheme", "server",
        "server_state", "transport", "url", "ws_protocol_class",
    },
    uvicorn_private.RequestResponseCycle: {
        "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete",
        "response_started", "transport",
    },
    uvicorn_private.FlowControl: {"read_paused", "write_paused"},
    uvicorn_private.WebSocketsSansIOProtocol: {
        "close_sent", "close_timeout", "close_timer", "conn", "frames", "handshake_complete", "logger", "loop",
        "pending_ping_payload", "queue", "read_paused", "response", "scope", "transport", "writable",
    },
}  # fmt: skip
"""Attributes that are read or set on an instance."""


@pytest.mark.parametrize("package", HOLDERS)
def test_the_version_is_pinned_and_installed(package: str) -> None:
    wanted = (CHECKOUT / "requirements/run.in").read_text()
    pinned = re.search(rf"^{package}==(\S+)", wanted, flags=re.MULTILINE)
    assert pinned is not None, "a range would bring other private names with the next solution"
    assert pinned[1] == version(package)
    assert f"\n{package}=={pinned[1]} " in "\n" + (CHECKOUT / "requirements/run.lock").read_text()


@pytest.mark.parametrize("package", HOLDERS)
def test_one_file_holds_the_private_imports(package: str) -> None:
    found = {
        path
        for path in our_files()
        for name in imports(path)
        if name.partition(".")[0] == package and name not in PUBLIC[package]
    }
    assert found == {HOLDERS[package]}


def test_no_other_file_reaches_into_a_kafka_client() -> None:
    for path in our_files():
        if path != HOLDERS["aiokafka"] and any(name.startswith("aiokafka") for name in imports(path)):
            tree = ast.parse(path.read_text())
            assert set(reached_into(tree)) <= set(own_names(tree)), path


@pytest.mark.parametrize(("owner", "name", "parameters"), SIGNATURES)
def test_a_method_has_the_parameters_that_are_relied_upon(
    owner: type, name: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters)[: len(parameters)] == parameters


@pytest.mark.parametrize("owner", ATTRIBUTES, ids=lambda owner: owner.__name__)
def test_an_instance_has_the_attributes_that_are_relied_upon(owner: type) -> None:
    # The methods that they are set in: the constructor, and where the connection is made.
    tree = ast.parse(inspect.getsource(inspect.getmodule(owner) or owner))
    (body,) = (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == owner.__name__)
    assert ATTRIBUTES[owner] - set(set_on_self(body)) == set()


def test_a_kafka_client_has_the_attributes_that_are_relied_upon() -> None:
    sources = {
        owner: inspect.getsource(owner)
        for owner in (aiokafka.AIOKafkaConsumer, aiokafka.AIOKafkaProducer, GroupCoordinator)
    }
    assert "self._client = " in sources[aiokafka.AIOKafkaConsumer]
    assert "self._coordinator = " in sources[aiokafka.AIOKafkaConsumer]
    assert "self._message_accumulator = MessageAccumulator(" in sources[aiokafka.AIOKafkaProducer]
    client = inspect.getsource(AIOKafkaClient)
    assert "self.cluster = " in client
    assert "self._conns[conn_id] = await create_conn(" in client
    assert "conn_id = (node_id, group)" in client
    assert "self._group_instance_id = " in sources[GroupCoordinator]


def our_files() -> Iterator[Path]:
    """All files except the tests, which replace private names with their own."""
    for package in sorted(OURS - {"tests"}):
        yield from modules(package)


def reached_into(tree: ast.AST) -> Iterator[str]:
    """Private attributes of anything but `self`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not re.match("_[^_]", node.attr):
            continue
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            yield node.attr


def own_names(tree: ast.AST) -> Iterator[str]:
    """Private names that this file gives to something itself."""
    yield from set_on_self(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def set_on_self(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr
