"""`aisle verify`: decides the log again and compares with what is stored.

Every command of every partition is decided anew, from the start or from a checkpoint, by the same rules and
from nothing but the log and the layouts; then decisions, claims, bookings and shows must be what PostgreSQL
has. It reads from one snapshot, so it can run beside everything else. Where the log's retention has passed,
the commands are taken from `decisions`.
"""

from __future__ import annotations

from typing import Any

from ops.checkpoints import read_checkpoints, restore, write_checkpoint
from ops.comparison import Comparison
from ops.replay import Replay
from ops.verdict import Verdict
from runtime.log import Log, WrongLog
from runtime.log.opening import bind_log
from runtime.postgres import open_connection
from schemas.wire import COMMANDS_TOPIC

_PARTITIONS = "SELECT partition, next_offset FROM partitions ORDER BY partition"


async def verify(
    database_url: str, log: Log, *, from_start: bool = False, checkpoint: bool = False
) -> Verdict:
    """Decides the log again, from the newest checkpoint unless `from_start`; `checkpoint` writes a new one if
    nothing differs.

    Raises WrongLog when the database belongs to another log or commands are missing, WrongRules for a command
    that was decided by others.
    """
    database = await open_connection(database_url, server_settings={"application_name": "aisle verify"})
    try:
        await bind_log(database, log)
        verdict = Verdict()
        async with database.transaction(isolation="repeatable_read", readonly=True):
            replays = await _replays(database, verdict, from_start)
            await _decide_and_compare(database, log, replays, verdict)
        if checkpoint and not verdict.differences:
            await write_checkpoint(database, [replay for replay, _ in replays])
        return verdict
    finally:
        await database.close()


async def _replays(database: Any, verdict: Verdict, from_start: bool) -> list[tuple[Replay, int]]:
    """Each partition with the offset up to which it is decided."""
    checkpoints = {} if from_start else await read_checkpoints(database)
    replays = []
    for partition, next_offset in await database.fetch(_PARTITIONS):
        replay = Replay(database, partition, verdict)
        known = checkpoints.pop(partition, None)
        if known is not None:
            if known.next_offset > next_offset:
                raise WrongLog(
                    f"partition {partition} is decided up to {next_offset}, but the checkpoint of"
                    f" {known.at:%Y-%m-%d %H:%M} UTC has seen {known.next_offset}: decisions were lost, or"
                    " `partitions` was changed. `aisle verify --from-start` looks at everything"
                )
            await restore(database, replay, known)
            verdict.before_checkpoint += known.next_offset
            verdict.checkpoint_at, verdict.checkpoint_rules = known.at, known.rules
        replays.append((replay, next_offset))
    if checkpoints:
        raise WrongLog(
            f"partitions {sorted(checkpoints)} of the checkpoint are not in the table `partitions`"
        )
    return replays


async def _decide_and_compare(
    database: Any, log: Log, replays: list[tuple[Replay, int]], verdict: Verdict
) -> None:
    bounds = await log.bounds(COMMANDS_TOPIC)
    comparison = Comparison(database, verdict)
    for replay, next_offset in replays:
        await replay.decide_all(log, bounds.get(replay.partition, (0, 0)), next_offset)
        await comparison.compare_shows(replay)
    await comparison.compare_strays({show_id for replay, _ in replays for show_id in replay.shows})
