"""The short form of `make chaos`: every kind of part is hit at least once under load, on each log."""

from __future__ import annotations

from typing import get_args

from tests.chaos.chaos_instance import ChaosInstance
from tests.chaos.history import Kind
from tests.chaos.storm import accepted_by_kind, storm

KINDS = {"seat-worker", "gateway", "notifier", "postgres", "redis", "supervisor"}


async def test_no_booking_is_lost_or_duplicated_when_parts_die(
    instance: ChaosInstance, first_user: int
) -> None:
    history = await storm(instance, seconds=12, seed=first_user, first_user=first_user)
    hit = {fault.part.rstrip("-123 ") for fault in history.faults}
    assert hit >= KINDS | ({"kafka"} if instance.kafka else set())
    assert set(accepted_by_kind(history)) == set(get_args(Kind))
