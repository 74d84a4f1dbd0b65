"""Checks after every run: the invariants of the design, and the clients' view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from runtime.log import LogUnavailable
from runtime.postgres import UNAVAILABLE
from schemas.events import Booking
from schemas.wire import COMMANDS_TOPIC
from seat_workers.batch import Batch
from seat_workers.command_ids import ID_LIFETIME_MS
from seat_workers.ledger import DataRefused, Fenced
from seat_workers.show_state import Block
from tests.simulation import client_checks, publication_checks
from tests.simulation.instance import SimulatedInstance
from tests.simulation.replay import Replay

EXPECTED_ENDS = (Fenced, LogUnavailable, *UNAVAILABLE)
"""Errors that may end a process; its supervisor restarts it."""


def check(instance: SimulatedInstance) -> list[str]:
    """All violations, each beginning with the number and the name of its invariant."""
    return [violation for one in CHECKS for violation in one(instance)]


def check_replay(instance: SimulatedInstance) -> Iterator[str]:
    """1 one claim, 2 one decision, 6 rows follow from decisions, 7 decide is pure, 8 one rule for expiry."""
    for partition in instance.partitions:
        replay = Replay(instance.database, partition, instance.hall)
        records = instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6)
        yield from replay.follow(records)
        yield from replay.compare()
        state = instance.database.partitions.get(partition)
        if (
            state is not None
            and records
            and (state.next_offset, state.last_ms)
            != (
                len(records),
                replay.last_ms,
            )
        ):
            yield f"2. one decision: partition {partition} stands at {state}"
    beyond = [p for p in instance.database.decisions if p.offset >= _end(instance, p.partition)]
    if beyond:
        yield f"2. one decision: {beyond} were decided and are not in the log"


def _end(instance: SimulatedInstance, partition: int) -> int:
    return len(instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6))


def check_fencing(instance: SimulatedInstance) -> Iterator[str]:
    """5. Only the latest owner of a partition commits to it, and no worker does after an orderly revoke."""
    history = sorted(
        [(at, "taken", part, partition) for at, part, partition in instance.observations.takes]
        + [(at, "revoked", part, partition) for at, part, partition in instance.observations.revokes]
        + [(at, "assigned", part, partition) for at, part, partition in instance.observations.assignments]
    )
    for commit in instance.observations.commits:
        for partition, advance in commit.batch.advances.items():
            before = [row for row in history if row[0] < commit.at and row[3] == partition]
            takes = [row for row in before if row[1] == "taken"]
            if commit.refused is None and (
                not takes or takes[-1][2] != commit.part or len(takes) != advance.epoch
            ):
                yield f"5. fencing: {commit.part} commits to partition {partition}, which it does not own"
            mine = [row[1] for row in before if row[2] == commit.part]
            if not commit.unawaited and mine and mine[-1] == "revoked":
                yield f"5. fencing: {commit.part} continues with partition {partition} after its revoke"


def check_commits(instance: SimulatedInstance) -> Iterator[str]:
    """4 and 6. A batch fits what is stored, and has no repeat that the writer could have recognised."""
    for commit in instance.observations.commits:
        refused = commit.refused
        if isinstance(refused, DataRefused) and "constraint" not in str(refused):
            yield f"6. memory is a cache: a batch of {commit.part} does not match what is stored: {refused}"
        if _has_a_repeat(commit.batch):
            yield f"4. same id, same answer: {commit.part} did not see a repeat within a batch"


def _has_a_repeat(batch: Batch) -> bool:
    used: dict[UUID, int] = {}
    for one in batch.decided:
        if one.first and one.command is not None:
            before_ms = used.get(one.command.command_id)
            if before_ms is not None and before_ms >= one.at_ms - ID_LIFETIME_MS:
                return True
            used[one.command.command_id] = one.at_ms
    return False


def check_cache(instance: SimulatedInstance) -> Iterator[str]:
    """6. The cache of a writer with nothing in flight equals what is stored."""
    for worker in instance.workers:
        if not worker.running:
            continue
        for (partition, show_id), show in worker.worker._cache._shows.items():
            if partition not in worker.worker._owned:
                continue  # revoked; compared with the epoch if it comes back
            row = instance.database.show_states.get(show_id)
            if row is None:
                if show.status is not None:
                    yield f"6. memory is a cache: {worker.name} has show {show_id}, which is not stored"
                continue
            stored = {b.booking_id: b for b in instance.database.live_bookings([show_id])}
            states = dict.fromkeys(range(len(show.states)), "a")
            blocks: dict[int, Block] = {}
            for (of_show, index), claim in instance.database.claims.items():
                if of_show == show_id:
                    states[index] = claim.state
                    if claim.code is not None or claim.release_ms is not None:
                        blocks[index] = Block(claim.code, claim.release_ms)
            wrong = (
                partition != row.partition
                or (show.status, show.terms, show.version) != (row.status, row.terms, row.version)
                or show.available != row.available
                or show.bookings != stored
                or show.states.decode() != "".join(states.values())
                or show.blocks != blocks
                or show.seats_of_customer != _seats_of_customers(stored.values())
            )
            if wrong:
                yield f"6. memory is a cache: {worker.name} caches show {show_id} differently from what is stored"


def _seats_of_customers(bookings: Iterable[Booking]) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for booking in bookings:
        if booking.user_id:
            counts[booking.user_id] += len(booking.seats)
    return counts


def check_tables(instance: SimulatedInstance) -> Iterator[str]:
    """1. After every commit each live booking has exactly its seats, and no other booking has any."""
    yield from instance.observations.torn_tables


def check_exits(instance: SimulatedInstance) -> Iterator[str]:
    """11 one log, and no bugs: a process ends only on an error that a restart can mend."""
    for part, error in instance.observations.exits:
        if not isinstance(error, EXPECTED_ENDS):
            yield f"11. one log, and no unexpected exit: {part} ended with {error!r}"


CHECKS: tuple[Callable[[SimulatedInstance], Iterator[str]], ...] = (
    check_replay,
    check_fencing,
    check_commits,
    check_cache,
    check_tables,
    check_exits,
    publication_checks.check_commit_before_publish,
    publication_checks.check_events,
    publication_checks.check_seat_changes,
    publication_checks.check_states_follow,
    publication_checks.check_no_personal_data,
    client_checks.check_responses,
    client_checks.check_shared_refusals,
    client_checks.check_rejected_not_logged,
    client_checks.check_idempotency,
    client_checks.check_order,
    client_checks.check_response_times,
)
