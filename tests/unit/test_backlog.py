"""The backlog keeps each partition in log order, whatever has to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.log import Record
from seat_workers import backlog as backlogs
from seat_workers.backlog import Backlog, Read

PARTITIONS = range(3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "take", "take one", "take and put back"]),
        st.integers(1, 4),
        st.sets(st.sampled_from(PARTITIONS)),
    ),
    max_size=60,
)


def offsets(read: list[Read], partition: int) -> list[int]:
    return [record.offset for record, _ in read if record.partition == partition]


@given(STEPS)
def test_each_partition_is_taken_in_order_without_gaps(
    steps: list[tuple[str, int, set[int]]],
) -> None:
    backlog = Backlog()
    arrived, taken = dict.fromkeys(PARTITIONS, 0), dict.fromkeys(PARTITIONS, 0)
    for what, count, partitions in steps:
        if what == "arrive":
            for partition in partitions:
                start = arrived[partition]
                arrived[partition] += count
                backlog.add(partition, [(Record(partition, start + n, 0, b""), None) for n in range(count)])
            continue
        waiting = {partition for partition in PARTITIONS if taken[partition] < arrived[partition]}
        left_of = {partition: arrived[partition] - taken[partition] for partition in waiting - partitions}
        assert backlog.ready(partitions) == sum(left_of.values())
        read = backlog.take_one(partitions) if what == "take one" else backlog.take(count, partitions)
        assert len(read) == (1 if what == "take one" else len(read)) or not waiting - partitions
        for partition in PARTITIONS:
            found = offsets(read, partition)
            assert found == list(range(taken[partition], taken[partition] + len(found)))
            if what != "take one":
                left = arrived[partition] - taken[partition]
                assert len(found) == (0 if partition in partitions else min(count, left))
            if what != "take and put back":
                taken[partition] += len(found)
        if what == "take and put back":
            backlog.requeue(read)


def test_one_partition_does_not_keep_the_others_from_being_taken_one_by_one() -> None:
    backlog = Backlog()
    for partition in PARTITIONS:
        backlog.add(partition, [(Record(partition, n, 0, b""), None) for n in range(2)])
    taken = [backlog.take_one(blocked_partitions={1})[0][0].partition for _ in range(4)]
    assert taken == [0, 2, 0, 2]
    assert backlog.take_one(blocked_partitions={1}) == []
    backlog.drop([1])
    assert backlog.take(9, blocked_partitions=()) == []


def test_a_partition_that_waits_for_long_has_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlogs, "MAX_QUEUED", 2)
    backlog = Backlog()
    backlog.add(0, [(Record(0, n, 0, b""), None) for n in range(2)])
    assert not backlog.has_room(0)
    assert backlog.has_room(1)
    backlog.take_one(blocked_partitions=())
    assert backlog.has_room(0)
