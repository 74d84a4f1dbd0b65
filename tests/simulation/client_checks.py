"""Checks of the clients' view: their responses against what is stored at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

from gateway.commands.coalescing import SHARED_REASONS
from gateway.commands.outcomes import Pending, StoredDecision
from gateway.http.problems import Problem
from schemas.commands import BookSeats, Command, HoldSeats, SeatsCommand, request_of
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, decode_decision
from seat_workers.command_ids import ID_LIFETIME_MS
from tests.simulation.gateways import may_be_coalesced
from tests.simulation.instance import SimulatedInstance
from tests.simulation.observations import Request
from tests.simulation.replay import command_of
from tests.simulation.seat_history import SeatHistory


def check_responses(instance: SimulatedInstance) -> Iterator[str]:
    """Every response equals the decision stored at its position, which is that of the client's command."""
    for request in instance.observations.requests:
        match request.answer:
            case StoredDecision(position) as decided:
                decision = decided.decision
                row = instance.database.decisions.get(position)
                if row is None or decode_decision(row.answer) != decision:
                    yield f"client view: {request.client} saw {decision} at {position}, which is not stored"
                yield from _is_at(instance, request, position)
                booking = decision.booking if decision.reason is None else None
                if booking is not None and booking.booking_id not in instance.database.bookings:
                    yield f"client view: {request.client}'s booking at {position} is not there"
            case Pending(position):
                if position not in instance.database.decisions:
                    yield f"client view: {request.client} was promised a decision at {position}"
                yield from _is_at(instance, request, position)
    for position, decision in instance.observations.polls:
        row = instance.database.decisions.get(position)
        if row is None or decode_decision(row.answer) != decision:
            yield f"client view: the status of {position} was returned as {decision}, which is not stored"


def _is_at(instance: SimulatedInstance, request: Request, position: Position) -> Iterator[str]:
    records = instance.log.records(COMMANDS_TOPIC, position.partition, 0, 10**6)
    command = command_of(records[position.offset].body) if position.offset < len(records) else None
    if command is None or not (
        command.command_id == request.command.command_id or _is_shared(request, command)
    ):
        yield f"client view: {request.client} got {position}, which is another command"


def _is_shared(request: Request, command: Command) -> bool:
    """Whether a response may be the refusal of another request, which asked for the same seats in the same way."""
    asked, answer = request.command, request.answer
    return (
        isinstance(asked, BookSeats | HoldSeats)
        and isinstance(command, BookSeats | HoldSeats)
        and isinstance(answer, StoredDecision)
        and answer.decision.reason in SHARED_REASONS
        and may_be_coalesced(asked, request.wait_s)
        and may_be_coalesced(command, request.wait_s)
        and (type(asked), asked.show_id, sorted(asked.seats))
        == (type(command), command.show_id, sorted(command.seats))
    )


def check_shared_refusals(instance: SimulatedInstance) -> Iterator[str]:
    """A refusal for taken seats was shared only with customers who had none of them, and named no bookings."""
    history: SeatHistory | None = None
    for request in instance.observations.requests:
        if not isinstance(request.answer, StoredDecision) or not isinstance(request.command, SeatsCommand):
            continue
        position, decision = request.answer.position, request.answer.decision
        row = instance.database.decisions.get(position)
        command = None if row is None else command_of(row.command)
        if command is None or command.command_id == request.command.command_id:
            continue
        if decision.yours:
            yield f"client view: {request.client} got the refusal at {position} with bookings of somebody else"
        if decision.reason is Reason.SEAT_TAKEN:
            history = history or SeatHistory(instance.database, instance.hall)
            at = decision.repeats or position
            if request.command.owner_id in history.owners(command.show_id, at, decision.seats):
                yield f"client view: {request.client} has these seats and got the refusal of another at {position}"


def check_rejected_not_logged(instance: SimulatedInstance) -> Iterator[str]:
    """10. A command that was rejected before the log is not in it, and nothing is in flight at the end."""
    times: dict[UUID, int] = defaultdict(int)
    for request in instance.observations.requests:
        times[request.command.command_id] += 1
    logged = {
        command.command_id
        for partition in instance.partitions
        for record in instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6)
        if (command := command_of(record.body)) is not None
    }
    for request in instance.observations.requests:
        answer, command_id = request.answer, request.command.command_id
        if isinstance(answer, Problem) and times[command_id] == 1:
            certain = answer.extra.get("outcome") != "unknown" and answer.status in (404, 429, 503)
            if certain and command_id in logged:
                yield f"10. everything has a limit: {answer.code} was returned for a command that is in the log"
    for gateway in instance.gateways:
        if gateway.admission._total or any(gateway.admission._shows.values()):
            yield f"10. everything has a limit: {gateway.name} counts commands that are decided as in flight"


def check_idempotency(instance: SimulatedInstance) -> Iterator[str]:
    """4. Of all commands with one id, one is decided; the others get the same answer, or `key_reused`."""
    firsts: dict[UUID, list[tuple[int, Position]]] = defaultdict(list)
    rows: list[tuple[Position, int, Command, Decision]] = []
    for position, row in sorted(instance.database.decisions.items()):
        command = command_of(row.command)
        if command is None:
            continue
        decision = decode_decision(row.answer)
        rows.append((position, row.at_ms, command, decision))
        if decision.repeats is None and decision.reason is not Reason.KEY_REUSED:
            firsts[command.command_id].append((row.at_ms, position))
    for command_id, decided in firsts.items():
        decided.sort()
        for (earlier_ms, one), (later_ms, other) in pairwise(decided):
            if later_ms - earlier_ms <= ID_LIFETIME_MS:
                yield f"4. same id, same answer: {command_id} was decided at {one} and again at {other}"
        if instance.database.command_ids.get(command_id) != (decided[-1][1], decided[-1][0]):
            yield f"4. same id, same answer: {command_id} is not stored as used at {decided[-1][1]}"
    for position, _, command, decision in rows:
        if decision.repeats is None:
            continue
        first = instance.database.decisions.get(decision.repeats)
        if decision.repeats == position or first is None:
            yield f"4. same id, same answer: {position} repeats {decision.repeats}, which decides nothing"
            continue
        answer, asked = decode_decision(first.answer), command_of(first.command)
        if _without_events(answer) != _without_events(decision) or decision.events:
            yield f"4. same id, same answer: {position} answers otherwise than {decision.repeats}"
        if asked is None or request_of(asked) != request_of(command):
            yield f"4. same id, same answer: {position} is another request than {decision.repeats}"


def _without_events(decision: Decision) -> tuple[object, ...]:
    one = decision
    return (one.reason, one.seats, one.limit, one.booking, one.yours, one.unshared)


def check_order(instance: SimulatedInstance) -> Iterator[str]:
    """Linearizability: if A was answered before B was sent, A's position precedes B's in the partition."""
    moments: list[tuple[int, bool, Position]] = []
    for request in instance.observations.requests:
        if isinstance(request.answer, StoredDecision | Pending):
            assert request.answered is not None
            moments.append((request.sent, False, request.answer.position))
            moments.append((request.answered, True, request.answer.position))
    latest: dict[int, int] = defaultdict(lambda: -1)
    for _, answered, position in sorted(moments):
        if answered:
            latest[position.partition] = max(latest[position.partition], position.offset)
        elif position.offset <= latest[position.partition]:
            yield f"client view: {position} was sent after {latest[position.partition]} had been answered"


def check_response_times(instance: SimulatedInstance) -> Iterator[str]:
    """9. Every request gets a response in time, with or without Redis; a final one if only Redis has failed."""
    for request in instance.observations.requests:
        if request.answer is None:
            yield f"9. Redis may vanish: {request.client} was never answered"
    if instance.only_redis_fails:
        for request in instance.observations.requests:
            if isinstance(request.answer, Pending) and request.wait_s >= 10:
                yield f"9. Redis may vanish: {request.client} waited in vain for {request.answer.position}"
