"""A storm: clients at work while parts of the house are hit, then a calm, then the checks."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.checks import complaints
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.house import ChaosHouse
from tests.chaos.stored import read_stored

CLIENTS = 16
SHOWS = 4
SEATS = 300
PAUSE_S = (0.5, 2.0)


async def storm(house: ChaosHouse, *, seconds: float, seed: int, first_user: int = 10_000) -> History:
    """Lets it rage for so long; raises AssertionError with all that is wrong afterwards."""
    history = History()
    shows = [(await house.make_show(SEATS), SEATS) for _ in range(SHOWS)]
    users = range(first_user, first_user + CLIENTS)
    crowd = Crowd(house.client, users, shows, history, seed)
    faults = Faults(house, history, seed)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    try:
        await asyncio.gather(crowd.live(stop), faults.rage(stop, PAUSE_S))
        await house.wait_until_ready()
        await crowd.settle()
        wrong = complaints(history, await read_stored(house, shows))
    finally:
        await crowd.leave()
        history.save(house.home.with_suffix(".history.json"))
    verdict = await asyncio.to_thread(house.command, "verify")
    if verdict.returncode != 0:
        wrong.append(f"aisle verify: {verdict.stdout[-2000:]}{verdict.stderr[-2000:]}")
    assert not wrong, f"seed {seed}, {tally(history)}:\n" + "\n".join(wrong[:40])
    return history


def tally(history: History) -> str:
    """What there was, in one line."""
    attempts = [attempt for wish in history.wishes for attempt in wish.attempts]
    answers = Counter(str(attempt.status or attempt.error) for attempt in attempts)
    slowest = max((attempt.ended - attempt.sent for attempt in attempts), default=0.0)
    hits = Counter(f"{fault.part} {fault.how}" for fault in history.faults)
    return (
        f"{len(history.wishes)} wishes, answers {dict(answers.most_common())}, slowest {slowest:.1f} s, "
        f"{len(history.faults)} faults {dict(hits)}"
    )
