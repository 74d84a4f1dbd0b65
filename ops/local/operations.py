"""The operations `aisle scale`, `restart` and `ps`, in the supervisor of a running instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ops.local.control_messages import Done, ListProcesses, Processes, Refused, Reply, Restart, Scale
from ops.local.fleet import Fleet, Kind, first_reason
from ops.local.process_table import process_rows
from ops.local.settling import assignments, until_settled
from ops.local.supervisor import Supervisor
from runtime.settings import Settings

_PARTS: dict[str, tuple[Kind, ...]] = {
    "workers": ("workers",),
    "gateways": ("gateways",),
    "notifier": ("notifier",),
    "all": ("workers", "notifier", "gateways"),
}
"""In the order of an upgrade: gateways last, since only they send what is new."""


class Operations:
    """Carries out the requests of the control socket."""

    def __init__(self, settings: Settings, supervisor: Supervisor, fleet: Fleet) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._fleet = fleet

    async def carry_out(self, do: Scale | Restart | ListProcesses, report: Callable[[str], None]) -> Reply:
        """Returns the result; `report` receives a line for each step."""
        try:
            match do:
                case ListProcesses():
                    return Processes(await process_rows(self._supervisor))
                case Scale():
                    return await self._scale(do, report)
                case Restart():
                    return await self._restart(do, report)
        except Exception as error:
            if (reason := first_reason(error)) is None:
                raise
            return Refused(reason)

    async def _scale(self, do: Scale, report: Callable[[str], None]) -> Reply:
        wanted: dict[Kind, int] = {}
        if do.workers is not None:
            wanted["workers"] = do.workers
        if do.gateways is not None:
            wanted["gateways"] = do.gateways
        before = {kind: self._fleet.count(kind) for kind in wanted}
        partitions = await self._partitions()
        await self._fleet.scale(wanted, report)
        lines = [f"{kind}: {before[kind]} before, {count} now." for kind, count in wanted.items()]
        if "workers" in wanted:
            lines += await self._settle(partitions)
        if "workers" in wanted and (idle := await self._standing_by()):
            stand = "stands" if len(idle) == 1 else "stand"
            lines.append(
                f"{', '.join(idle)} {stand} by: "
                + (
                    "there are fewer partitions than workers."
                    if self._settings.kafka
                    else "with the log in PostgreSQL, one worker has all partitions."
                )
            )
        configured = {"workers": self._settings.workers, "gateways": self._settings.gateways}
        if any(configured[kind] != count for kind, count in wanted.items()):
            settings = " ".join(f"AISLE_{kind.upper()}={count}" for kind, count in wanted.items())
            lines.append(f"Until `aisle up` is started again; {settings} makes it permanent.")
        return Done(lines)

    def _workers(self) -> list[str]:
        return [name for name in self._fleet.names() if name.startswith("seat-worker-")]

    async def _partitions(self) -> set[int]:
        """The partitions that the workers have now."""
        return {partition for own in await assignments(self._workers()) for partition in own or ()}

    async def _settle(self, partitions: set[int]) -> list[str]:
        """Waits until each of these partitions has one worker. Returns a line if it takes too long."""
        if await until_settled(self._workers(), partitions, balanced=bool(self._settings.kafka)):
            return []
        return ["Partitions are still moving between the workers; see `aisle ps`."]

    async def _standing_by(self) -> Sequence[str]:
        workers = self._workers()
        return [name for name, own in zip(workers, await assignments(workers), strict=True) if own == []]

    async def _restart(self, do: Restart, report: Callable[[str], None]) -> Reply:
        kinds = _PARTS.get(do.part)
        if kinds is None:
            return Refused(f"there is nothing called {do.part!r} to restart; one of {', '.join(_PARTS)}")
        partitions = await self._partitions()
        await self._fleet.replace(kinds, report)
        return Done(await self._settle(partitions) if "workers" in kinds else [])
