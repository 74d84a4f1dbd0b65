"""`python -m tests.attack`: attacks a gateway of its own on this machine, one way after the other, in two minutes.

Prints what each has cost: memory at its peak and after the attackers have gone, and how long an honest client beside
it waited. Exits 1 where one is past its bounds. Latency counts with --latency only: it is the machine's, too.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.migrations import migrate
from runtime.log.opening import open_log
from tests.attack.attacks import ATTACKS
from tests.attack.victim import GIVEN_BACK, GROWTH, MB, P99_S, SETTINGS, Cost, Victim
from tests.e2e.gateway_processes import gateway_processes


def main(
    seconds: Annotated[float, typer.Option(help="how long all of it takes, about")] = 120.0,
    only: Annotated[str, typer.Option(help="attacks with this in their name")] = "",
    latency: Annotated[
        bool, typer.Option(help="a p99 of the honest client over 100 ms is a failure")
    ] = False,
) -> None:
    """Attacks a gateway and prints what held."""
    chosen = [name for name in ATTACKS if only in name]
    if not chosen:
        raise typer.BadParameter(f"no attack has {only!r} in its name")
    with tempfile.TemporaryDirectory(prefix="aisle-attack-") as folder:
        home = Path(folder)
        postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
        with run_servers(postgres, redis):
            failed = asyncio.run(
                _attack(home, postgres, redis.url, chosen, seconds / len(chosen), latency=latency)
            )
    typer.echo(f"{len(chosen) - failed} of {len(chosen)} held")
    sys.exit(failed > 0)


async def _attack(
    home: Path,
    postgres: EmbeddedPostgres,
    redis_url: str,
    chosen: list[str],
    seconds: float,
    *,
    latency: bool,
) -> int:
    database_url = postgres.url_of("postgres")
    await migrate(database_url)
    log = await open_log(None, database_url)
    await log.create(1)
    await log.close()
    settings = {"AISLE_HOME": str(home), "AISLE_DATABASE_URL": database_url, "AISLE_REDIS_URL": redis_url}
    failed = 0
    with gateway_processes(settings | SETTINGS) as gateways:
        gateway = gateways.start()
        await gateways.ready()
        victim = Victim(gateway.pid, gateways.port)
        for name in chosen:
            cost = await victim.cost_of(ATTACKS[name], seconds)
            held = _held(cost, latency=latency) and gateway.poll() is None
            failed += not held
            typer.echo(f"{'held  ' if held else 'FAILED'} {name:32} {cost}")
    return failed


def _held(cost: Cost, *, latency: bool) -> bool:
    return cost.growth < GROWTH and cost.left < GIVEN_BACK and (not latency or cost.p99_s < P99_S)


if __name__ == "__main__":
    typer.echo(
        f"Bounds: +{GROWTH // MB} MB, +{GIVEN_BACK // MB} MB a minute later, honest p99 {P99_S * 1000:.0f} ms"
    )
    typer.run(main)
