"""`aisle crowd`: the accounts of the crowd, its run, and what is printed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from ops.crowd.accounts import TokensFile, add_accounts
from ops.crowd.run import Crowd, Result, run_crowd, stop_on_signals
from ops.crowd.tally import Second
from ops.database import database
from ops.local.readiness import own_address
from ops.users import signing_tokens
from runtime.addresses.web_address import bracketed
from runtime.process import CannotStart
from runtime.settings import Settings


def own_url(settings: Settings) -> str:
    """Returns the address of the instance of these settings, on this machine."""
    host, port = own_address(settings.host, settings.port)
    return f"http://{bracketed(host)}:{port}"


def crowd_here(settings: Settings, crowd: Crowd, *, as_json: bool) -> Result:
    """Runs a crowd on the instance of this home, with accounts in its database. Raises CannotStart."""
    with database(settings, "crowd") as url:

        async def run() -> Result:
            accounts = await add_accounts(url, signing_tokens(settings), crowd.people)
            if len(accounts) < crowd.people:
                raise CannotStart(
                    f"only {len(accounts)} of the accounts crowd-0001 … are active; take fewer people, or activate them"
                )
            return await run_crowd(
                msgspec.structs.replace(crowd, database_url=url),
                accounts,
                reporter(as_json),
                stop_on_signals(),
            )

        return asyncio.run(run())


def crowd_elsewhere(crowd: Crowd, tokens: Path, *, as_json: bool) -> Result:
    """Runs a crowd on any Aisle, with tokens from a file. Raises CannotStart."""
    accounts = TokensFile(tokens)
    if len(accounts) < crowd.people:
        raise CannotStart(f"--tokens {tokens}: {len(accounts)} tokens for {crowd.people} people; take fewer")

    async def run() -> Result:
        return await run_crowd(crowd, accounts, reporter(as_json), stop_on_signals())

    return asyncio.run(run())


def reporter(as_json: bool) -> Callable[[Second], None]:
    """Returns what prints the line of each second."""
    if as_json:
        return lambda second: print(msgspec.json.encode(second).decode(), flush=True)
    return lambda second: print(second.line(), flush=True)


def summary(result: Result) -> str:
    """Returns what the crowd did, in a few lines."""
    did = result.did

    def n(name: str) -> int:
        return did.get(name, 0)

    refusals = ", ".join(f"{count} {code}" for code, count in sorted(result.refusals.items())) or "none"
    where = "API and database" if result.checked_database else "API"
    lines = [
        f"In {result.took_s:.0f} s {n('arrived')} customers came, {n('watched')} with the live map open. "
        f"{n('held')} held seats, {n('bought')} bought {n('seats_bought')} seats, {n('left_without')} left without.",
        f"{n('changed')} changed their seats, {n('extended')} asked for more time, {n('released')} gave up their "
        f"hold, {n('forgot')} let it run out, {n('cancelled')} cancelled.",
        f"Refused: {refusals}. Seats left: {result.seats_left}. Median response: {result.median_ms} ms. "
        f"Seed: {result.seed}.",
    ]
    if n("asked_to_wait"):
        lines.append(
            f"{n('asked_to_wait')} requests were told to come again later (429, 503). From one address, "
            "AISLE_RATE_LIMITS=off lifts the limits of that Aisle."
        )
    if n("unreachable"):
        lines.append(f"{n('unreachable')} customers got no answer.")
    if result.violations:
        lines += [f"WRONG: {one}" for one in result.violations[:20]]
        lines.append(f"{len(result.violations)} violations in {result.checked_bookings} bookings ({where}).")
    else:
        lines.append(f"Checked {result.checked_bookings} bookings ({where}): no seat was sold twice.")
    return "\n".join(lines)
