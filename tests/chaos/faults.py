"""Faults of the parts of an instance: killed, frozen, restarted; single and in pairs.

Each fault waits until its part runs again and is recorded in the history with both times.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial

from ops.kafka.node import KafkaNode
from tests.chaos.chaos_instance import ChaosInstance
from tests.chaos.history import Fault, History

Hit = Callable[[], Coroutine[None, None, None]]

PAIRS = 0.3
"""Probability of a second fault at the same moment."""

FROZEN_S = (1.0, 5.0)
NODE_GONE_S = (1.0, 5.0)
NODE_CATCHES_UP_S = 2.0
"""Seconds for a restarted node to replicate every record before the next fault of a node."""


class Faults:
    """All faults of one instance, by name."""

    def __init__(self, instance: ChaosInstance, history: History, seed: int) -> None:
        self._instance = instance
        self._history = history
        self._random = random.Random(f"{seed}/faults")
        self._node_is_gone = asyncio.Lock()
        self.all: dict[str, Hit] = {
            "redis killed": partial(self._killed, "redis"),
            "redis frozen": partial(self._frozen, "redis"),
            "notifier killed": partial(self._killed, "notifier"),
            "postgres killed": partial(self._killed, "postgres"),
            "postgres restarted": partial(self._killed, "postgres", signal.SIGINT),
            "postgres frozen": self._database_frozen,
            "supervisor killed": self._supervisor_killed,
        }
        for part in [*instance.workers, *instance.gateways]:
            self.all[f"{part} killed"] = partial(self._killed, part)
            self.all[f"{part} stopped"] = partial(self._killed, part, signal.SIGTERM)
            self.all[f"{part} frozen"] = partial(self._frozen, part)
        for node in (
            [] if instance.cluster is None or len(instance.cluster.nodes) < 3 else instance.cluster.nodes
        ):
            self.all[f"kafka {node.node_id} killed"] = partial(self._node_killed, node)
            self.all[f"kafka {node.node_id} frozen"] = partial(self._node_frozen, node)

    async def inject(self, until: float, pause_s: tuple[float, float]) -> None:
        """Injects faults and pairs of faults until this monotonic time and until every kind of part was hit.

        Returns when all parts run again. Every kind of part is hit before any is repeated, and every fault as well.
        """
        under_way: dict[str, asyncio.Task[None]] = {}
        try:
            await self._hit(under_way, until, pause_s)
            await asyncio.gather(*under_way.values())
        finally:
            for hit in under_way.values():
                hit.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def _hit(
        self, under_way: dict[str, asyncio.Task[None]], until: float, pause_s: tuple[float, float]
    ) -> None:
        kinds = {_kind(name) for name in self.all}
        for name in self._deal():
            if time.monotonic() >= until and not kinds - {_kind(part) for part in under_way}:
                break
            names = [name, self._another(name)] if self._random.random() < PAIRS else [name]
            for one in names:
                part = _part(one)
                # A part that is down is not hit again: its recovery could not be attributed.
                if part not in under_way or under_way[part].done():
                    if part in under_way:
                        await under_way[part]
                    under_way[part] = asyncio.create_task(self.all[one](), name=one)
            if "supervisor" in under_way:
                # A part that dies during the start of the supervisor is a failed start, as intended.
                await under_way["supervisor"]
            await asyncio.sleep(self._random.uniform(*pause_s))

    def _deal(self) -> Iterator[str]:
        while True:
            names = sorted(self.all)
            self._random.shuffle(names)
            kinds = {_kind(name): name for name in names}
            first = sorted(kinds.values(), key=names.index)
            yield from first
            yield from [name for name in names if name not in first]

    def _another(self, name: str) -> str:
        return self._random.choice([other for other in sorted(self.all) if _part(other) != _part(name)])

    async def _killed(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        async with self._noted(part, number.name):
            old = self._instance.hit(part, number)
            await self._instance.replaced(part, old)

    async def _frozen(self, part: str) -> None:
        async with self._noted(part, "frozen"):
            pid = self._instance.hit(part, signal.SIGSTOP)
            try:
                await asyncio.sleep(self._random.uniform(*FROZEN_S))
            finally:
                if pid == self._instance.pid(part):
                    self._instance.hit(part, signal.SIGCONT)

    async def _database_frozen(self) -> None:
        async with self._noted("postgres", "frozen"):
            self._instance.freeze_database(signal.SIGSTOP)
            try:
                await asyncio.sleep(self._random.uniform(*FROZEN_S))
            finally:
                self._instance.freeze_database(signal.SIGCONT)

    async def _supervisor_killed(self) -> None:
        async with self._noted("supervisor", "SIGKILL"):
            await self._instance.restart_supervisor()

    async def _node_killed(self, node: KafkaNode) -> None:
        # One at a time: two of three nodes must run to acknowledge a record.
        async with self._node_is_gone, self._noted(f"kafka {node.node_id}", "SIGKILL"):
            node.kill()
            await asyncio.sleep(self._random.uniform(*NODE_GONE_S))
            node.spawn()
            await asyncio.to_thread(node.wait_ready)
            await asyncio.sleep(NODE_CATCHES_UP_S)

    async def _node_frozen(self, node: KafkaNode) -> None:
        async with self._node_is_gone, self._noted(f"kafka {node.node_id}", "frozen"):
            self._instance.freeze_node(node, signal.SIGSTOP)
            try:
                await asyncio.sleep(self._random.uniform(*FROZEN_S))
            finally:
                self._instance.freeze_node(node, signal.SIGCONT)
            await asyncio.sleep(NODE_CATCHES_UP_S)

    @asynccontextmanager
    async def _noted(self, part: str, how: str) -> AsyncIterator[None]:
        fault = Fault(part=part, how=how, began=time.monotonic(), over=float("inf"))
        self._history.faults.append(fault)
        try:
            yield
        finally:
            fault.over = time.monotonic()


def _part(name: str) -> str:
    return name.rpartition(" ")[0]


def _kind(name: str) -> str:
    return name.split(" ")[0].rstrip("-123")
