"""The pauses of partitions that the load test of scaling reports."""

from __future__ import annotations

from loadtest.scaling.load import Answered
from loadtest.scaling.pauses import Operation, Pauses, longest_waits, pauses


def test_a_pause_is_the_longest_wait_of_a_request_that_was_outstanding_meanwhile() -> None:
    answered = [
        Answered(0, 9.0, 9.9),  # before
        Answered(0, 9.5, 10.1),
        Answered(0, 10.5, 10.6),
        Answered(1, 10.9, 13.0),
        Answered(1, 11.1, 19.0),  # after
    ]
    waits = longest_waits(answered, Operation("scale", 10.0, 11.0))
    assert {partition: round(wait, 3) for partition, wait in waits.items()} == {0: 0.6, 1: 2.1}


def test_pauses_of_operations_with_one_name_are_taken_together() -> None:
    answered = [Answered(0, 1.0, 1.1), Answered(1, 1.0, 1.4), Answered(0, 5.0, 5.2), Answered(0, 8.0, 8.5)]
    operations = [Operation("scale", 0, 2), Operation("restart", 4, 6), Operation("scale", 7, 9)]
    found = [
        row._replace(median=round(row.median), p99=round(row.p99), longest=round(row.longest))
        for row in pauses(answered, operations)
    ]
    assert found == [Pauses("scale", 2, 3, 400, 500, 500), Pauses("restart", 1, 1, 200, 200, 200)]
