"""The services of a running instance: gateways, seat workers and the notifier, started, scaled and replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from ops.local.services import gateway, notifier, seat_worker
from ops.local.supervisor import Program, Supervisor
from runtime.process import CannotStart

Kind = Literal["gateways", "workers", "notifier"]
Report = Callable[[str], None]
"""Receives a line for each step."""

READY_S = 60.0
"""Timeout for a service to get ready; with many at once, they share the cores."""
_AT_ONCE = 4
"""Number of services that are started at the same time."""


class Fleet:
    """The services under one supervisor. Each kind is numbered from 1; the highest numbers are removed first."""

    def __init__(self, supervisor: Supervisor, environment: Mapping[str, str], listen_fd: int) -> None:
        self._supervisor = supervisor
        self._make: dict[Kind, Callable[[int], Program]] = {
            "gateways": lambda number: gateway(environment, number, listen_fd),
            "workers": lambda number: seat_worker(environment, number),
            "notifier": lambda _: notifier(environment),
        }
        self._names: dict[Kind, list[str]] = {"notifier": [], "workers": [], "gateways": []}

    def start(self, *, workers: int, gateways: int) -> None:
        """Starts everything at once, without waiting."""
        for kind, count in (("notifier", 1), ("workers", workers), ("gateways", gateways)):
            for number in range(1, count + 1):
                self._keep(kind, number)  # type: ignore[arg-type]

    def names(self) -> list[str]:
        """The names of all services."""
        return [name for names in self._names.values() for name in names]

    def count(self, kind: Kind) -> int:
        return len(self._names[kind])

    async def stop(self) -> None:
        """Stops everything: gateways first."""
        for names in reversed(self._names.values()):
            await self._supervisor.stop(names)

    async def scale(self, wanted: Mapping[Kind, int], report: Report) -> None:
        """Adds processes, then removes others. Raises CannotStart; what was added is then removed again."""
        added: list[tuple[Kind, str]] = []
        try:
            for kind, count in wanted.items():
                new = range(self.count(kind) + 1, count + 1)
                names = [self._keep(kind, number) for number in new[:_AT_ONCE]]
                added += [(kind, name) for name in names]
                await self._all_ready(kind, names, new[_AT_ONCE:], added, report)
        except BaseException:
            await asyncio.shield(self._remove(added))
            raise
        removed = [(kind, name) for kind, count in wanted.items() for name in self._names[kind][count:]]
        await self._remove(removed)
        for _, name in removed:
            report(f"{name} is stopped")

    async def replace(self, kinds: Iterable[Kind], report: Report) -> None:
        """Replaces the services of these kinds one by one. Raises CannotStart at the first that cannot be replaced."""
        for kind in kinds:
            for name in tuple(self._names[kind]):
                await self._supervisor.replace(name, READY_S)
                report(f"{name} is replaced")

    async def _all_ready(
        self,
        kind: Kind,
        names: Sequence[str],
        more: Sequence[int],
        added: list[tuple[Kind, str]],
        report: Report,
    ) -> None:
        """Waits for the services that are starting; starts one more whenever one is ready."""
        left = iter(more)

        async def follow(name: str) -> None:
            while True:
                await self._supervisor.ready(name, READY_S)
                report(f"{name} is ready")
                number = next(left, None)
                if number is None:
                    return
                name = self._keep(kind, number)
                added.append((kind, name))

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(follow(name))

    async def _remove(self, services: Sequence[tuple[Kind, str]]) -> None:
        await self._supervisor.stop([name for _, name in services])
        for kind, name in services:
            self._names[kind].remove(name)

    def _keep(self, kind: Kind, number: int) -> str:
        program = self._make[kind](number)
        self._supervisor.keep(program)
        self._names[kind].append(program.name)
        return program.name


def first_reason(error: BaseException) -> str | None:
    """The message of the CannotStart in an error, which may be a group of them; None if there is none."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(first_reason, error.exceptions)), None)
    return str(error) if isinstance(error, CannotStart) else None
