"""States that child processes report, in the protocol of systemd (sd_notify), with the kernel's word for the sender."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
from collections import defaultdict

_CREDENTIALS = struct.Struct("iII")
"""Process, user and group of a sender."""
_LONGEST = 4096


class Notices:
    """Receives states on a socket of its own, in the abstract namespace: nothing has to be cleaned up."""

    def __init__(self) -> None:
        name = f"aisle-notify-{os.getpid()}-{secrets.token_hex(4)}"
        self.address = f"@{name}"
        """Value of NOTIFY_SOCKET for the children."""
        self._states: defaultdict[int, set[str]] = defaultdict(set)
        self._changed = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{name}")
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def forget(self, pid: int) -> None:
        """Forgets a process that has ended: its id may be used again."""
        self._states.pop(pid, None)

    def has(self, pid: int, *states: str) -> bool:
        """Whether a process has reported one of these states."""
        return not self._states.get(pid, set()).isdisjoint(states)

    async def reported(self, pid: int, *states: str) -> None:
        """Returns once a process has reported one of these states."""
        while not self.has(pid, *states):
            await self._changed.wait()

    def _receive(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            except OSError:
                return
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    pid = _CREDENTIALS.unpack(value)[0]
                    self._states[pid].update(data.decode(errors="replace").split("\n"))
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
