"""`aisle rebuild`: writes claims, bookings and state of a show anew, from the events of its decisions.

Into a scratch schema, to be looked at, or in place of what is stored. Nothing is decided again: what the
decisions say happened is what is written. Either way it says how the two differ.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ops.rebuilt import TABLES, RebuiltShow, read_show
from ops.show_history import partition_of
from runtime.database_url import shown
from runtime.postgres import AWAY, DatabaseUnavailable, open_connection
from runtime.process import CannotStart

_MADE_BY = "aisle rebuild"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")

_OURS = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1"
_NEXT = "SELECT next_offset FROM partitions WHERE partition = $1"
_TAKE = """
    UPDATE partitions SET epoch = epoch + 1, owner = 'aisle rebuild' WHERE partition = $1 RETURNING next_offset"""


class Compared(msgspec.Struct, frozen=True):
    """One table of a show: how many rows are stored and rebuilt, and how many of each the other has not."""

    table: str
    stored: int
    rebuilt: int
    only_stored: int
    only_rebuilt: int


async def rebuild(database_url: str, show_id: int, schema: str) -> list[Compared]:
    """Writes the show into a schema of this name, which is made anew. Raises CannotStart."""
    if not _NAME.match(schema) or schema.startswith("pg_") or schema in ("public", "information_schema"):
        raise CannotStart(f"{schema[:70]!r} is not a name for a scratch schema: take one like rebuilt_show_7")
    database = await _connect(database_url)
    try:
        async with database.transaction(isolation="repeatable_read"):
            partition = await _partition_of(database, show_id)
            end = await database.fetchval(_NEXT, partition)
            made_by = await database.fetch(_OURS, schema)
            if made_by and made_by[0][0] != _MADE_BY:
                raise CannotStart(f"there is a schema {schema!r} that no rebuild made; name another one")
            show = RebuiltShow(show_id, partition)
            await read_show(database, show, end)
            await database.execute(
                f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};"
                f"COMMENT ON SCHEMA {schema} IS '{_MADE_BY}'"
            )
            for table in TABLES:
                await database.execute(f"CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING ALL)")
            await _write(database, show, schema)
            return [await _compare(database, table, show_id, schema) for table in TABLES]
    finally:
        await database.close()


async def replace(database_url: str, show_id: int) -> list[Compared]:
    """Writes the show in place of what is stored of it. Raises CannotStart.

    The epoch of its partition is raised in the same transaction: a worker that has the show in memory can
    commit nothing more, stops, and is started with what is stored now. The partition is locked only for the
    end of its decisions and for writing.
    """
    database = await _connect(database_url)
    try:
        partition = await _partition_of(database, show_id)
        show = RebuiltShow(show_id, partition)
        await read_show(database, show, await database.fetchval(_NEXT, partition))
        async with database.transaction():
            await read_show(database, show, await database.fetchval(_TAKE, partition))
            for table in TABLES:
                await database.execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table}) ON COMMIT DROP")
            await _write(database, show, None)
            compared = [await _compare(database, table, show_id, "pg_temp") for table in TABLES]
            for table in TABLES:
                await database.execute(f"DELETE FROM public.{table} WHERE show_id = $1", show_id)
                await database.execute(f"INSERT INTO public.{table} SELECT * FROM pg_temp.{table}")
            return compared
    finally:
        await database.close()


async def _connect(url: str) -> Any:
    try:
        return await open_connection(url, server_settings={"application_name": "aisle rebuild", "jit": "off"})
    except AWAY as error:
        raise DatabaseUnavailable(f"{shown(url)} does not answer: {error or 'time-out'}") from None


async def _partition_of(database: Any, show_id: int) -> int:
    partition = await partition_of(database, show_id)
    if partition is None:
        raise CannotStart(f"there is no show {show_id}")
    return partition


async def _write(database: Any, show: RebuiltShow, schema: str | None) -> None:
    for table, (columns, rows) in show.rows().items():
        await database.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


async def _compare(database: Any, table: str, show_id: int, schema: str) -> Compared:
    stored = f"SELECT t::text FROM public.{table} t WHERE show_id = $1"
    rebuilt = f"SELECT t::text FROM {schema}.{table} t WHERE show_id = $1"
    row = await database.fetchrow(
        f"""SELECT (SELECT count(*) FROM ({stored})), (SELECT count(*) FROM ({rebuilt})),
                   (SELECT count(*) FROM ({stored} EXCEPT {rebuilt})),
                   (SELECT count(*) FROM ({rebuilt} EXCEPT {stored}))""",
        show_id,
    )
    return Compared(table, *row)
