"""A storm: client load during fault injection, then recovery, then the checks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.chaos.checks import violations
from tests.chaos.clients import Clients
from tests.chaos.crowds import EVERYTHING, Crowd
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.read_state import read_stored
from tests.chaos.request_generator import BRIEF_HOLD_S
from tests.chaos.show_plans import NO_LIMIT, Seat, ShowPlan, Terms

PAUSE_S = (0.5, 2.0)


async def storm(
    instance: ChaosInstance,
    *,
    seconds: float,
    seed: int,
    first_user: int = 10_000,
    crowd: Crowd = EVERYTHING,
) -> History:
    """Runs a storm for `seconds`, and until every kind of part was hit and every kind of request accepted.

    Raises AssertionError with all violations.
    """
    history = History(shows=await open_shows(instance, crowd.shows))
    until = time.monotonic() + seconds
    clients = Clients(
        instance.client, first_user, crowd, history, seed, brief_holds_until=until - BRIEF_HOLD_S
    )
    calm = asyncio.Event()
    living = asyncio.create_task(clients.live(calm))
    try:
        await Faults(instance, history, seed).inject(until, PAUSE_S)
        await eventually(lambda: _enough(history, crowd), "too few requests are accepted")
        calm.set()
        await living
        await instance.wait_until_ready()
        await clients.settle()
        wrong = violations(history, await read_stored(instance, history))
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await clients.leave()
        history.save(instance.home.with_suffix(".history.json"))
    verified = await asyncio.to_thread(instance.command, "verify")
    if verified.returncode != 0:
        wrong.append(f"aisle verify: {verified.stdout[-2000:]}{verified.stderr[-2000:]}")
    assert not wrong, f"seed {seed}, {tally(history)}:\n" + "\n".join(wrong[:40])
    return history


async def open_shows(
    instance: ChaosInstance, shows: Sequence[tuple[Terms, tuple[Seat, ...]]]
) -> list[ShowPlan]:
    """Makes the shows; returns them with their ids."""
    return [
        ShowPlan(await instance.make_show(**terms), seats, terms.get("seats_per_customer", NO_LIMIT))
        for terms, seats in shows
    ]


def accepted_by_kind(history: History) -> Counter[str]:
    """Returns the number of accepted requests of each kind."""
    return Counter(request.kind for request in history.requests if request.accepted is not None)


async def _enough(history: History, crowd: Crowd) -> bool:
    accepted = accepted_by_kind(history)
    return all(accepted[kind] >= crowd.min_accepted for kind in crowd.kinds)


def tally(history: History) -> str:
    """Returns a summary in one line."""
    attempts = [attempt for request in history.requests for attempt in request.attempts]
    answers = Counter(str(attempt.status or attempt.error) for attempt in attempts)
    refusals = Counter(
        request.refused.body.get("code") for request in history.requests if request.refused is not None
    )
    named = sum(
        request.refused is not None and "yours" in request.refused.body for request in history.requests
    )
    slowest = max((attempt.ended - attempt.sent for attempt in attempts), default=0.0)
    hits = Counter(f"{fault.part} {fault.how}" for fault in history.faults)
    return (
        f"{len(history.requests)} requests, accepted {dict(accepted_by_kind(history))}, "
        f"refused {dict(refusals.most_common())}, {named} with yours, "
        f"answers {dict(answers.most_common())}, slowest {slowest:.1f} s, "
        f"{len(history.faults)} faults {dict(hits)}"
    )
