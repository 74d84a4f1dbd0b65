"""Detects that an instance has settled: everything is decided, published, consumed, expired and assigned."""

from __future__ import annotations

from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.simulation.instance import SimulatedInstance
from tests.simulation.processes import Worker


def unsettled(instance: SimulatedInstance) -> str | None:
    """The first thing that is unfinished, worded as a violation in case it stays so; None if nothing is."""
    database = instance.database
    if instance.requests_in_transit or instance.log.appends_in_transit:
        return "2. one decision: requests and appends are under way"
    for partition in instance.partitions:
        end = len(instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6))
        state = database.partitions.get(partition)
        decided = 0 if state is None else state.next_offset
        if decided < end:
            return f"2. one decision: partition {partition} has {end} commands, decided are {decided}"
        events = len(instance.log.records(EVENTS_TOPIC, partition, 0, 10**6))
        if database.consumer_offsets.get(partition, 0) < events:
            return f"3. commit, then publish: the notifier has not read the events of partition {partition}"
    for partition, show, due_ms in database.held(instance.partitions):
        return f"8. one rule for expiry: show {show} on {partition} has a hold since {due_ms}"
    for (show, seat), claim in database.claims.items():
        if claim.release_ms is not None:
            return f"8. one rule for expiry: seat {seat} of show {show} is blocked since {claim.release_ms}"
    for partition, show in database.cancelled(instance.partitions):
        return f"8. one rule for expiry: show {show} on {partition} is cancelled and still has bookings"
    for process in instance.processes:
        if not process.running:
            return f"11. one log, and no unexpected exit: {process.name} does not stay alive"
    read = [partition for worker in instance.workers for partition in worker.reader._positions]
    if sorted(read) != [*instance.partitions]:
        return f"5. fencing: of all partitions only {read} are read"
    readers = [worker.reader for worker in instance.workers]
    if any(
        reader not in reader._group.members or reader._settled < reader._group.generation
        for reader in readers
    ):
        return "5. fencing: partitions are on the move"
    for gateway in instance.gateways:
        if gateway.admission._total:
            return f"10. everything has a limit: {gateway.name} counts what is decided as in flight"
    if any(worker.worker._commit_task is not None or _unpublished(worker) for worker in instance.workers):
        return "3. commit, then publish: a worker is not done"
    return None


def last_due_ms(instance: SimulatedInstance) -> int:
    """The log time at which the last hold expires and the last block is released; 0 when there are none."""
    database = instance.database
    holds = [booking.expires_ms or 0 for booking, _ in database.bookings.values() if booking.status.live]
    return max([*holds, *[claim.release_ms or 0 for claim in database.claims.values()]], default=0)


def _unpublished(worker: Worker) -> bool:
    """Whether a batch that this worker committed is not published yet."""
    return not worker.worker._to_publish._finished.is_set()  # type: ignore[attr-defined]
