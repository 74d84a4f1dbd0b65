"""The assignment of partitions to the members of a consumer group: as few as possible move."""

from __future__ import annotations

from runtime.log.kafka_private import RoundRobinPartitionAssignor, StickyPartitionAssignor


def sticky_assignor() -> type[StickyPartitionAssignor]:
    """Returns the assignor of one consumer: aiokafka keeps the assignment of a member in the class.

    It has the name of the assignor of earlier releases. Members of a group have to agree on a name, and while a release
    is replaced some members still have the earlier one; where such a member leads the group, partitions move as before.
    aiokafka cannot offer two names: it would join the group once for each.
    """
    return type(
        "StickyAssignor",
        (StickyPartitionAssignor,),
        {"name": RoundRobinPartitionAssignor.name, "member_assignment": None},
    )
