"""A storm: clients at work while parts of the instance are hit, then a calm, then the checks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import get_args

from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.chaos.checks import complaints
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Faults
from tests.chaos.history import History, Kind
from tests.chaos.stored import read_stored
from tests.chaos.wishes import BRIEF_HOLD_S

CLIENTS = 16
SHOWS = 4
SEATS = 300
PAUSE_S = (0.5, 2.0)
GRANTED = 20
"""Of each kind, so many wishes come true before it is over: a busy machine takes longer for them."""


async def storm(instance: ChaosInstance, *, seconds: float, seed: int, first_user: int = 10_000) -> History:
    """Lets it rage for so long, and until every kind of part has been hit and every kind of wish has come true;
    raises AssertionError with all that is wrong afterwards."""
    history = History()
    shows = [(await instance.make_show(SEATS), SEATS) for _ in range(SHOWS)]
    users = range(first_user, first_user + CLIENTS)
    until = time.monotonic() + seconds
    crowd = Crowd(instance.client, users, shows, history, seed, brief_holds_until=until - BRIEF_HOLD_S)
    calm = asyncio.Event()
    living = asyncio.create_task(crowd.live(calm))
    try:
        await Faults(instance, history, seed).rage(until, PAUSE_S)
        await eventually(lambda: _enough(history), "too few wishes come true")
        calm.set()
        await living
        await instance.wait_until_ready()
        await crowd.settle()
        wrong = complaints(history, await read_stored(instance, shows))
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await crowd.leave()
        history.save(instance.home.with_suffix(".history.json"))
    verdict = await asyncio.to_thread(instance.command, "verify")
    if verdict.returncode != 0:
        wrong.append(f"aisle verify: {verdict.stdout[-2000:]}{verdict.stderr[-2000:]}")
    assert not wrong, f"seed {seed}, {tally(history)}:\n" + "\n".join(wrong[:40])
    return history


def granted(history: History) -> Counter[str]:
    """How many wishes of each kind came true."""
    return Counter(wish.kind for wish in history.wishes if wish.accepted is not None)


async def _enough(history: History) -> bool:
    came_true = granted(history)
    return all(came_true[kind] >= GRANTED for kind in get_args(Kind))


def tally(history: History) -> str:
    """What there was, in one line."""
    attempts = [attempt for wish in history.wishes for attempt in wish.attempts]
    answers = Counter(str(attempt.status or attempt.error) for attempt in attempts)
    refusals = Counter(wish.refused.body.get("code") for wish in history.wishes if wish.refused is not None)
    slowest = max((attempt.ended - attempt.sent for attempt in attempts), default=0.0)
    hits = Counter(f"{fault.part} {fault.how}" for fault in history.faults)
    return (
        f"{len(history.wishes)} wishes, granted {dict(granted(history))}, refused {dict(refusals.most_common())}, "
        f"answers {dict(answers.most_common())}, slowest {slowest:.1f} s, "
        f"{len(history.faults)} faults {dict(hits)}"
    )
