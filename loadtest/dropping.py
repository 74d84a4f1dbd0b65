"""`python -m loadtest.dropping`: drops a part with many decisions beside a connection that commits.

Prints how long taking it out of the table and freeing its files took, and the latencies of the commits before,
meanwhile and while a million command ids were deleted.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.migrations import migrate
from ops.retention.parts import DAY_MS, drop_part, make_parts, parts_of
from ops.retention.used_ids import delete_ids

_AT_ONCE = 500_000
_PER_COMMIT = 32
_WEEK_MS = 7 * DAY_MS
_FILL = """
INSERT INTO decisions
SELECT n % 8, $1::bigint + n, $2::bigint + n, repeat('c', 150)::bytea, repeat('a', 250)::bytea, 2
  FROM generate_series(1, $3::int) n"""
_FILL_IDS = "INSERT INTO command_ids SELECT gen_random_uuid(), 0, n, $1 FROM generate_series(1, 1000000) n"
_COMMIT = """
WITH decided AS (
    INSERT INTO decisions SELECT n % 8, $1::bigint + n, $2, repeat('c', 150)::bytea, repeat('a', 250)::bytea, 2
      FROM generate_series(1, $3::int) n RETURNING log_offset)
INSERT INTO command_ids SELECT gen_random_uuid(), 0, log_offset, $2 FROM decided"""


class _Commits:
    """A loop of commits, with the time and the length of each."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.done: list[tuple[float, float]] = []

    async def run(self) -> None:
        offset = 10**12
        while True:
            offset += _PER_COMMIT
            began = time.perf_counter()
            await self._connection.execute(_COMMIT, offset, _now_ms(), _PER_COMMIT)
            self.done.append((began, time.perf_counter() - began))

    def show(self, name: str, from_s: float, to_s: float) -> None:
        found = sorted(length for began, length in self.done if from_s <= began < to_s)
        p50, p99 = (found[int(len(found) * share)] * 1000 for share in (0.5, 0.99))
        print(
            f"{name}: {len(found)} commits, p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {found[-1] * 1000:.1f} ms"
        )


async def _measure(url: str, rows: int) -> None:
    await migrate(url)
    database = await asyncpg.connect(url)
    old_ms = _now_ms() - 100 * DAY_MS
    await make_parts(database, "decisions", old_ms, _WEEK_MS)
    for offset in range(0, rows, _AT_ONCE):
        await database.execute(_FILL, offset, old_ms - 20 * DAY_MS, min(_AT_ONCE, rows - offset))
    await database.execute("VACUUM (FREEZE, ANALYZE) decisions")
    await database.execute("CHECKPOINT")
    await make_parts(database, "decisions", _now_ms(), _WEEK_MS)
    commits = _Commits(await asyncpg.connect(url))
    running = asyncio.create_task(commits.run())
    began = time.perf_counter()
    await asyncio.sleep(10)
    dropped = time.perf_counter()
    commits.show("before", began, dropped)
    part = (await parts_of(database, "decisions"))[0]
    out_s, freed_s = await drop_part(database, "decisions", part)
    print(
        f"{rows} decisions, {part.bytes / 1e9:.1f} GB: out of the table in {out_s * 1000:.0f} ms,"
        f" files freed in {freed_s:.1f} s"
    )
    await asyncio.sleep(10)
    commits.show("from the drop on", dropped, time.perf_counter())
    await database.execute(_FILL_IDS, old_ms)
    began = time.perf_counter()
    deleted = await delete_ids(database, old_ms + DAY_MS)
    ended = time.perf_counter()
    print(f"deleted {deleted} command ids in {ended - began:.1f} s")
    commits.show("meanwhile", began, ended)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _now_ms() -> int:
    return int(time.time() * 1000)


def main(rows: Annotated[int, typer.Option(min=1_000)] = 10_000_000) -> None:
    """Measures on a PostgreSQL of its own, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="aisle-dropping") as folder:
        postgres = EmbeddedPostgres(Path(folder))
        with run_servers(postgres):
            asyncio.run(_measure(postgres.url, rows))


if __name__ == "__main__":
    typer.run(main)
