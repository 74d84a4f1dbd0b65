"""The backlog returns the records of each partition in log order, blocked or requeued."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.log import Record
from seat_workers.backlog import Backlog, DecodedRecord

PARTITIONS = range(3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "take", "take one", "take and requeue"]),
        st.integers(1, 4),
        st.sets(st.sampled_from(PARTITIONS)),
    ),
    max_size=60,
)


def offsets(records: list[DecodedRecord], partition: int) -> list[int]:
    return [record.offset for record, _ in records if record.partition == partition]


@given(STEPS)
def test_each_partition_is_taken_in_order_without_gaps(
    steps: list[tuple[str, int, set[int]]],
) -> None:
    backlog = Backlog()
    arrived, taken = dict.fromkeys(PARTITIONS, 0), dict.fromkeys(PARTITIONS, 0)
    for action, count, partitions in steps:
        if action == "arrive":
            for partition in partitions:
                start = arrived[partition]
                arrived[partition] += count
                backlog.add(partition, [(Record(partition, start + n, 0, b""), None) for n in range(count)])
            continue
        queued = {partition for partition in PARTITIONS if taken[partition] < arrived[partition]}
        left_by_partition = {
            partition: arrived[partition] - taken[partition] for partition in queued - partitions
        }
        assert backlog.ready(partitions) == sum(left_by_partition.values())
        records = backlog.take_one(partitions) if action == "take one" else backlog.take(count, partitions)
        assert len(records) == (1 if action == "take one" else len(records)) or not queued - partitions
        for partition in PARTITIONS:
            found = offsets(records, partition)
            assert found == list(range(taken[partition], taken[partition] + len(found)))
            if action != "take one":
                left = arrived[partition] - taken[partition]
                assert len(found) == (0 if partition in partitions else min(count, left))
            if action != "take and requeue":
                taken[partition] += len(found)
        if action == "take and requeue":
            backlog.requeue(records)


def test_a_blocked_partition_does_not_delay_the_others_when_records_are_taken_singly() -> None:
    backlog = Backlog()
    for partition in PARTITIONS:
        backlog.add(partition, [(Record(partition, n, 0, b""), None) for n in range(2)])
    taken = [backlog.take_one(blocked={1})[0][0].partition for _ in range(4)]
    assert taken == [0, 2, 0, 2]
    assert backlog.take_one(blocked={1}) == []
    backlog.drop([1])
    assert backlog.take(9, blocked=()) == []


def test_a_partition_has_no_room_past_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seat_workers.backlog.MAX_QUEUED", 2)
    backlog = Backlog()
    backlog.add(0, [(Record(0, n, 0, b""), None) for n in range(2)])
    assert not backlog.has_room(0)
    assert backlog.has_room(1)
    backlog.take_one(blocked=())
    assert backlog.has_room(0)
