"""The supervisor's side of a handover between seat workers: pairs of sockets, see runtime/handover.py."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping

from runtime.handover import SUCCESSOR_WAITS

Spawn = Callable[[Mapping[str, str], tuple[int, ...]], subprocess.Popen[bytes]]
"""Starts a process with additional environment variables and inherited file descriptors."""


class Lineage:
    """Starts the processes of one service so that each knows its predecessor, and is known to its successor."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._present: socket.socket | None = None
        """This end of the pair of the present process."""
        self._next: socket.socket | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Starts a process without a predecessor."""
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            child = self._spawn({"AISLE_HANDOVER_FD": str(theirs.fileno())}, (theirs.fileno(),))
        self._present = ours
        return child

    def start_successor(self) -> subprocess.Popen[bytes]:
        """Starts a process that begins its work when the present one has released its own."""
        if self._present is None:
            return self.start()
        if self._next is not None:  # of a successor that did not get ready
            self._next.close()
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = theirs.fileno(), self._present.fileno()
            names = {"AISLE_HANDOVER_FD": str(descriptors[0]), "AISLE_PREDECESSOR_FD": str(descriptors[1])}
            child = self._spawn(names, descriptors)
        self._next = ours
        return child

    def hand_over(self) -> None:
        """Lets the present process know of its successor, which is the present one from now on."""
        if self._present is None or self._next is None:
            return
        try:
            self._present.send(SUCCESSOR_WAITS, socket.MSG_DONTWAIT)
        except OSError:
            pass  # it has ended
        self._present.close()
        self._present, self._next = self._next, None

    def close(self) -> None:
        """Closes this end; the processes are not affected."""
        for end in (self._present, self._next):
            if end is not None:
                end.close()
        self._present = self._next = None
