"""`aisle verify`: replays the log and compares the results with the database.

Every command of every partition is decided again, from the start or from a checkpoint, by the same rules (those of
earlier releases are part of them) and from the log and the layouts alone; decisions, claims, bookings and shows in
PostgreSQL must be equal. All reads use one snapshot, so services can run meanwhile. Commands that the log no longer has
are read from `decisions`.
"""

from __future__ import annotations

from typing import Any

from ops.audit.checkpoints import PRUNED, VERIFIED, read_checkpoints, restore, write_checkpoint
from ops.audit.comparison import Comparison
from ops.audit.findings import Findings
from ops.audit.pruned import read_pruned
from ops.audit.replay import Replay
from runtime.log import Log, WrongLog
from runtime.log.opening import bind_log
from runtime.postgres import open_connection
from schemas.wire import COMMANDS_TOPIC

_PARTITIONS = "SELECT partition, next_offset FROM partitions ORDER BY partition"


async def verify(
    database_url: str, log: Log, *, from_start: bool = False, checkpoint: bool = False
) -> Findings:
    """Replays the log, from the newest checkpoint unless `from_start`.

    `checkpoint` writes a new one if nothing differs.

    Raises WrongLog when the database belongs to another log or commands are missing, WrongRules for a decision or a
    checkpoint of a later release.
    """
    database = await open_connection(database_url, server_settings={"application_name": "aisle verify"})
    try:
        await bind_log(database, log)
        findings = Findings()
        async with database.transaction(isolation="repeatable_read", readonly=True):
            replays = await _replays(database, findings, from_start)
            await _decide_and_compare(database, log, replays, findings)
        if checkpoint and not findings.differences:
            await write_checkpoint(database, [replay for replay, _ in replays])
        return findings
    finally:
        await database.close()


async def _replays(database: Any, findings: Findings, from_start: bool) -> list[tuple[Replay, int]]:
    """Returns a replay of each partition and the offset up to which it is decided."""
    checkpoints = {} if from_start else await read_checkpoints(database)
    pruned = await read_pruned(database)
    after_pruned = await read_checkpoints(database, PRUNED)
    replays = []
    for partition, next_offset in await database.fetch(_PARTITIONS):
        replay = Replay(database, partition, findings)
        replay.pruned = pruned
        known = checkpoints.pop(partition, None)
        least = after_pruned.get(partition)
        if least is not None:
            findings.pruned += least.next_offset
            findings.pruned_until = pruned.until
            if known is None or known.next_offset < least.next_offset:
                await restore(database, replay, least, PRUNED)
                known = None
        if known is not None:
            if known.next_offset > next_offset:
                raise WrongLog(
                    f"partition {partition} is decided up to {next_offset}, but the checkpoint of"
                    f" {known.at:%Y-%m-%d %H:%M} UTC has seen {known.next_offset}: decisions were lost, or"
                    " `partitions` was changed. `aisle verify --from-start` looks at everything"
                )
            await restore(database, replay, known, VERIFIED)
            findings.before_checkpoint += known.next_offset
            findings.checkpoint_at, findings.checkpoint_rules = known.at, known.rules
        replays.append((replay, next_offset))
    if checkpoints:
        raise WrongLog(
            f"partitions {sorted(checkpoints)} of the checkpoint are not in the table `partitions`"
        )
    return replays


async def _decide_and_compare(
    database: Any, log: Log, replays: list[tuple[Replay, int]], findings: Findings
) -> None:
    bounds = await log.bounds(COMMANDS_TOPIC)
    comparison = Comparison(database, findings)
    for replay, next_offset in replays:
        await replay.decide_all(log, bounds.get(replay.partition, (0, 0)), next_offset)
        await comparison.compare_shows(replay)
    await comparison.compare_strays({show_id for replay, _ in replays for show_id in replay.shows})
