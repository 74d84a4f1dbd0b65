"""`make failures`: ends one server after another while customers book, and prints what they notice, as a table.

Exit status 1 when a booking that was answered is not stored, or `aisle verify` finds a difference.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ops.kafka.node import KafkaNode
from tests.failures.buyers import Noticed
from tests.failures.instance import Instance, running

_SETTLE_S = 120.0

Step = Callable[[Instance], Awaitable[None]]


async def nothing(instance: Instance) -> None:
    """Nothing, to compare with."""


async def kill_broker(instance: Instance) -> None:
    """One of three Kafka nodes is killed"""
    instance.kafka.nodes[0].kill()


async def start_broker(instance: Instance) -> None:
    """It starts again"""
    await asyncio.to_thread(_restart, instance.kafka.nodes[:1])


async def kill_two_brokers(instance: Instance) -> None:
    """Two of three Kafka nodes are killed"""
    for node in instance.kafka.nodes[1:]:
        node.kill()


async def start_two_brokers(instance: Instance) -> None:
    """They start again"""
    await asyncio.to_thread(_restart, instance.kafka.nodes[1:])


def _restart(nodes: Sequence[KafkaNode]) -> None:
    for node in nodes:
        node.spawn()
    for node in nodes:
        node.wait_ready()


async def kill_standby(instance: Instance) -> None:
    """The standby is killed"""
    instance.standby.kill()


async def do_without_standby(instance: Instance) -> None:
    """By hand: synchronous_standby_names = ''"""
    await instance.primary.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


async def start_standby(instance: Instance) -> None:
    """The standby starts again, and is made synchronous"""
    await asyncio.to_thread(instance.standby.run)
    await instance.primary.execute(
        "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby_1)'", "SELECT pg_reload_conf()"
    )
    await instance.standby_is_synchronous()


async def kill_primary(instance: Instance) -> None:
    """The primary is killed"""
    instance.primary.kill()


async def promote_standby(instance: Instance) -> None:
    """By hand: SELECT pg_promote() on the standby"""
    await instance.standby.execute("SELECT pg_promote()")


STEPS: tuple[tuple[Step, float], ...] = (
    (nothing, 20),
    (kill_broker, 20),
    (start_broker, 20),
    (kill_two_brokers, 10),
    (start_two_brokers, 25),
    (kill_standby, 10),
    (do_without_standby, 15),
    (start_standby, 15),
    (kill_primary, 10),
    (promote_standby, 20),
)
"""What is done, and the seconds until the next."""


_TITLES: tuple[str, ...] = (
    "what happens",
    "bookings/s",
    "median wait",
    "longest wait",
    "nobody booked for",
    "sent again after",
)


async def measure(folder: Path, scale: float) -> bool:
    """Takes all steps. Returns whether nothing was lost."""
    async with running(folder) as instance:
        buyers = instance.buyers
        await buyers.start()
        await asyncio.sleep(5)
        taken: list[tuple[Step, float, float]] = []
        for step, seconds in STEPS:
            began = time.monotonic()
            await step(instance)
            _say(f"{began - buyers.began_s:6.1f} s  {step.__doc__}")
            await asyncio.sleep(seconds * scale)
            taken.append((step, began, time.monotonic()))
        await asyncio.wait_for(buyers.stop(), _SETTLE_S)
        rows = [
            _TITLES,
            ("---",) * len(_TITLES),
            *(_row(step, buyers.noticed(*period)) for step, *period in taken),
        ]
        _say("\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))
        stored = await _stored(instance)
        lost = [one for one in buyers.booked if one.booking_id not in stored]
        verified = await asyncio.to_thread(instance.aisle.command, "verify")
        _say(f"\n{len(buyers.booked)} bookings answered, {len(lost)} of them lost, {buyers.refused} refused")
        _say(verified.stdout.strip() or verified.stderr.strip())
        return not lost and verified.returncode == 0


def _row(step: Step, noticed: Noticed) -> tuple[str, ...]:
    retried = ", ".join(f"{number} × {why}" for why, number in sorted(noticed.retried.items())) or "–"
    return (
        (step.__doc__ or "").removesuffix("."),
        f"{noticed.per_second:.0f}",
        f"{noticed.median_s * 1000:.0f} ms",
        f"{noticed.longest_s:.1f} s",
        f"{noticed.gap_s:.1f} s",
        retried,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _stored(instance: Instance) -> set[str]:
    """Returns the ids of all confirmed bookings in the database that is the primary now."""
    connection = await instance.standby.connect()
    try:
        rows = await connection.fetch("SELECT booking_id::text FROM bookings WHERE status = 'confirmed'")
    finally:
        await connection.close()
    return {row["booking_id"] for row in rows}


def main() -> int:
    """Measures in a folder of its own. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make failures", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="longer or shorter periods")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended in order
    with tempfile.TemporaryDirectory(prefix="aisle-failures-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL does not run as root
        return 0 if asyncio.run(measure(Path(folder), options.scale)) else 1


if __name__ == "__main__":
    sys.exit(main())
