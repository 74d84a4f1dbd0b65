"""`python -m tests.chaos --minutes 10 --log kafka --seed 1`: consecutive storms."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from ops.kafka.node import KafkaCluster
from tests.chaos.chaos_instance import ChaosInstance
from tests.chaos.crowds import CROWDS
from tests.chaos.storm import storm, tally

STORM_S = 60.0


def main(
    minutes: Annotated[float, typer.Option(help="Total duration, without the start of the servers.")] = 10.0,
    log: Annotated[str, typer.Option(help="kafka, postgres or both.")] = "both",
    seed: Annotated[int, typer.Option(help="Seed of the first storm; each next one adds 1.")] = 1,
    storm_s: Annotated[float, typer.Option(help="Duration of one storm.")] = STORM_S,
    crowd: Annotated[
        str, typer.Option(help="everything; or row: changes and blocks on one row of seats.")
    ] = "everything",
) -> None:
    """Runs storms until the time is up; stops at the first storm with a violation."""
    if crowd not in CROWDS:
        raise typer.BadParameter(f"one of {', '.join(CROWDS)} is wanted", param_hint="--crowd")
    folder = Path(tempfile.mkdtemp(prefix="aisle-chaos-"))
    logs = ["postgres", "kafka"] if log == "both" else [log]
    try:
        for name in logs:
            (folder / name).mkdir()
            asyncio.run(_run_storms(folder / name, name, minutes / len(logs), seed, storm_s, crowd))
    except AssertionError as error:
        typer.echo(f"{error}\n\nThe instance is kept in {folder}.")
        sys.exit(1)
    shutil.rmtree(folder)


async def _run_storms(folder: Path, log: str, minutes: float, seed: int, storm_s: float, crowd: str) -> None:
    cluster = KafkaCluster(folder, nodes=3) if log == "kafka" else None
    instance = ChaosInstance(folder / "home", cluster)
    try:
        if cluster is not None:
            cluster.start()
        await instance.start()
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            history = await storm(
                instance,
                seconds=storm_s,
                seed=seed,
                first_user=10_000 + 100 * seed,
                crowd=CROWDS[crowd],
            )
            typer.echo(f"{log}, seed {seed}: {tally(history)}")
            seed += 1
        if instance.stop() != 0:
            raise AssertionError(
                f"the instance did not stop with status 0: {instance.output.read_text()[-2000:]}"
            )
    finally:
        instance.end()
        if cluster is not None:
            cluster.kill()


if __name__ == "__main__":
    typer.run(main)
