"""Frames for the tests of the screen."""

from __future__ import annotations

from ops.top.frame import Emails, Frame, Partition, Process, Route


def busy_frame(at_s: float = 1_796_090_400.0, *, decided_per_s: float = 4321.0) -> Frame:
    """An on-sale: everything has a number, one partition has no worker, one process is down."""
    return Frame(
        at_s=at_s,
        version="1.2.3",
        routes=[
            Route("book", 4200.0, 3.21, 12.3),
            Route("seat_map", 800.5, 0.4, 2.0),
            *(
                Route(name, 9.25, 1500.0, 12_000.0)
                for name in ("hold", "confirm", "cancel", "extend", "poll")
            ),
            Route("probe", 0.0, None, None),
        ],
        refused={"seat_taken": 1200.0, "500 internal error": 0.2, "seats_per_customer": 3.0},
        requests_per_s=5012.0,
        decided_per_s=decided_per_s,
        accepted_per_s=3117.8,
        in_flight=212,
        sockets=12_345,
        decision_ms=[2.5, 9.75],
        commit_ms=[1.5, 4.0],
        batch=23.4,
        ahead_per_s=11.0,
        partitions=[
            Partition(0, "seat-worker-1", 3, 0, 640.0, 12, 10_200),
            Partition(1, "seat-worker-2", 1, 12_000, 7.5, 1, 100_000),
            Partition(2, "", shows=3, seats_left=240),
            *(Partition(number, "seat-worker-1", 1, 0, 0.0, 0, 0) for number in range(3, 8)),
        ],
        processes=[
            Process("aisle", True, 0.01, 73.0, None, 90_000.0),
            Process("gateway-1", True, 0.873, 120.4, 3.0, 7260.0),
            Process("notifier", True, 0.05, 58.0, 120.0, 130.0),
            Process("seat-worker-1", True, 0.61, 98.0, 1.0, 65.0),
            Process("seat-worker-2", False),
        ],
        emails=Emails({"sent": 12.5, "skipped": 300.0, "deferred": 0.0, "failed": 0.5}, 1520, 2100.0),
    )
