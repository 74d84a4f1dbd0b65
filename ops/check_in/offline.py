"""`aisle checkin offline`: late scans, sent through the log in the order of their time and device."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.check_in.commands import gate_of, id_of, result_of, scan_command
from gateway.check_in.tickets import TicketReader
from ops.check_in.scan_file import LateScan
from runtime.log import Log
from runtime.process import CannotStart
from schemas.api import timestamp
from schemas.commands import ScanTicket
from schemas.layout import decode_layout
from schemas.seating import Seating
from schemas.wire import COMMANDS_TOPIC, decode_decision, encode

_AT_ONCE = 500
_DECIDED_WITHIN_S = 60.0
_PARTITION = "SELECT partition FROM shows WHERE show_id = $1"
_LAYOUT = "SELECT l.body FROM shows s JOIN layouts l USING (layout_id) WHERE s.show_id = $1"
_DECISIONS = (
    "SELECT log_offset, answer FROM decisions WHERE partition = $1 AND log_offset = ANY ($2::bigint[])"
)


class MergedScan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a late scan."""

    number: int
    """Line of the file, or place in its list."""
    result: str
    at: str
    device: str = ""
    gate: str | None = None
    booking_id: str | None = None
    seat: str | None = None
    used_at: str | None = None
    """When the seat was checked in."""
    used_gate: str | None = None


class OfflineScans:
    """Sends late scans, and reads what was decided about them."""

    def __init__(self, database: Any, log: Log, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._database = database
        self._log = log
        self._seatings: dict[int, Seating | None] = {}
        self._partitions: dict[int, int] = {}
        self._tickets = TicketReader(keys, self._seating_of)

    async def merge(self, scans: Iterable[tuple[int, LateScan]]) -> list[MergedScan]:
        """Sends the scans in the order of time and device. Returns the results in this order. Raises CannotStart."""
        ordered = sorted(scans, key=lambda one: (one[1].at_ms, one[1].device, one[0]))
        results: list[MergedScan] = []
        appender = self._log.appender(COMMANDS_TOPIC)
        try:
            for start in range(0, len(ordered), _AT_ONCE):
                results += await self._merge_some(appender, ordered[start : start + _AT_ONCE])
        finally:
            await appender.close()
        return results

    async def _merge_some(self, appender: Any, scans: list[tuple[int, LateScan]]) -> list[MergedScan]:
        commands = [await self._command(scan) for _, scan in scans]
        sent = [command for command in commands if command is not None]
        partitions = [await self._partition_of(command.show_id) for command in sent]
        offsets = await appender.append_many(
            [(partition, encode(command)) for partition, command in zip(partitions, sent, strict=True)]
        )
        positions = list(zip(partitions, offsets, strict=True))
        answers = await self._decided(positions)
        following = iter(positions)
        return [
            _unread(number, scan, "invalid")
            if command is None
            else await self._result(number, scan, command, answers[next(following)])
            for (number, scan), command in zip(scans, commands, strict=True)
        ]

    async def _command(self, scan: LateScan) -> ScanTicket | None:
        ticket = await self._tickets.read(scan.token)
        if ticket is None:
            return None
        return await scan_command(
            self._database,
            ticket,
            user_id=0,
            command_id=id_of(ticket, "scan", scan.name),
            wanted_show_id=scan.show_id,
            at_ms=scan.at_ms,
            gate=scan.gate,
        )

    async def _decided(self, positions: list[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """The answers at these positions, once all are decided."""
        answers: dict[tuple[int, int], bytes] = {}
        deadline = time.monotonic() + _DECIDED_WITHIN_S
        while True:
            waiting: dict[int, list[int]] = {}
            for partition, offset in positions:
                if (partition, offset) not in answers:
                    waiting.setdefault(partition, []).append(offset)
            if not waiting:
                return answers
            for partition, offsets in waiting.items():
                rows = await self._database.fetch(_DECISIONS, partition, offsets)
                answers |= {(partition, row["log_offset"]): row["answer"] for row in rows}
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{len(positions) - len(answers)} scans are not decided after {_DECIDED_WITHIN_S:.0f} s: is a seat"
                    " worker running? They are in the log and count once; run this again for the results"
                )
            await asyncio.sleep(0.05)

    async def _result(self, number: int, scan: LateScan, command: ScanTicket, answer: bytes) -> MergedScan:
        decision = decode_decision(answer)
        scanned = result_of(decision, "valid")
        if scanned is None:
            assert decision.reason is not None
            return _unread(number, scan, decision.reason.value)
        used_gate = None
        if scanned.seat is not None and scanned.used_ms is not None:
            used_gate = await gate_of(
                self._database, command.show_id, command.booking_id, scanned.seat, scanned.used_ms
            )
        return MergedScan(
            number,
            scanned.result,
            timestamp(scan.at_ms),
            scan.device,
            scan.gate,
            str(command.booking_id),
            scanned.seat,
            None if scanned.used_ms is None else timestamp(scanned.used_ms),
            used_gate,
        )

    async def _seating_of(self, show_id: int) -> Seating | None:
        if show_id not in self._seatings:
            body = await self._database.fetchval(_LAYOUT, show_id)
            self._seatings[show_id] = None if body is None else Seating(decode_layout(body))
        return self._seatings[show_id]

    async def _partition_of(self, show_id: int) -> int:
        if show_id not in self._partitions:
            self._partitions[show_id] = await self._database.fetchval(_PARTITION, show_id)
        return self._partitions[show_id]


def merged_lines(results: list[MergedScan]) -> Iterator[str]:
    """The results as text: each scan that was not valid, then the sums."""
    for one in results:
        if one.result == "valid":
            continue
        what = "conflict: " if one.result == "already_used" else ""
        seat = f" {one.seat} of booking {one.booking_id}" if one.seat else ""
        by = f" by {one.device}" if one.device else ""
        gate = f" at gate {one.gate}" if one.gate else ""
        used = f"; checked in {one.used_at}" if one.used_at else ""
        used_gate = f" at gate {one.used_gate}" if one.used_gate else ""
        yield f"{one.number}: {what}{one.result}{seat}, scanned {one.at}{by}{gate}{used}{used_gate}"
    counts = Counter(one.result for one in results)
    each = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
    yield f"{len(results)} scans{': ' if each else ''}{each}."


def _unread(number: int, scan: LateScan, result: str) -> MergedScan:
    return MergedScan(number, result, timestamp(scan.at_ms), scan.device, scan.gate)
