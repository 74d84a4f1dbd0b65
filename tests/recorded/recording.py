"""Recordings of a database: a compressed file with a header and each table as COPY text."""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

FOLDER = Path(__file__).parent
SUFFIX = ".copy.xz"

_TABLES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attgenerated = ''
 GROUP BY c.relname ORDER BY c.relname"""
_KEY = """
SELECT array_agg(quote_ident(a.attname) ORDER BY array_position(i.indkey::int2[], a.attnum))
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indisprimary AND i.indrelid = $1::text::regclass"""
_SEQUENCES = """
SELECT a.attrelid::regclass::text, a.attname::text FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
 WHERE a.attidentity <> '' AND NOT a.attisdropped"""
# Bytes as text, so that the same command compresses well wherever it stands. No triggers, no foreign keys.
_SETTINGS = {"bytea_output": "escape", "session_replication_role": "replica", "timezone": "UTC"}


class Table(msgspec.Struct, frozen=True):
    """One table of a recording: `size` bytes of COPY text."""

    name: str
    columns: list[str]
    size: int


class Header(msgspec.Struct, frozen=True):
    """The first line of a recording. `migrations`: the release's number of migrations."""

    release: str
    migrations: int
    tables: list[Table]


def recordings() -> list[Path]:
    """All recordings of the tree, oldest name first."""
    return sorted(FOLDER.glob(f"*{SUFFIX}"))


def header(path: Path) -> Header:
    """The header of a recording."""
    with lzma.open(path) as file:
        return msgspec.json.decode(file.readline(), type=Header)


async def save(database_url: str, path: Path, release: str) -> None:
    """Writes all tables of a database, rows ordered by key."""
    connection = await asyncpg.connect(database_url, server_settings=_SETTINGS)
    try:
        tables, texts = [], []
        for name, columns in await connection.fetch(_TABLES):
            key = ", ".join(await connection.fetchval(_KEY, name))
            listed = ", ".join(f'"{column}"' for column in columns)
            text = io.BytesIO()
            await connection.copy_from_query(f"SELECT {listed} FROM {name} ORDER BY {key}", output=text)
            tables.append(Table(name, columns, len(text.getvalue())))
            texts.append(text.getvalue())
        migrations = await connection.fetchval("SELECT count(*) FROM schema_migrations")
    finally:
        await connection.close()
    with lzma.open(path, "wb", preset=9 | lzma.PRESET_EXTREME) as file:
        file.write(msgspec.json.encode(Header(release, migrations, tables)) + b"\n")
        file.writelines(texts)


async def restore(database_url: str, path: Path) -> None:
    """Loads a recording into a database with exactly the migrations of its release."""
    connection: Any = await asyncpg.connect(database_url, server_settings=_SETTINGS)
    try:
        with lzma.open(path) as file:
            tables = msgspec.json.decode(file.readline(), type=Header).tables
            await connection.execute(f"TRUNCATE {', '.join(table.name for table in tables)}")
            for table in tables:
                await connection.copy_to_table(
                    table.name, source=io.BytesIO(file.read(table.size)), columns=table.columns
                )
        for name, column in await connection.fetch(_SEQUENCES):
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'),"
                f" (SELECT coalesce(max({column}), 0) + 1 FROM {name}), false)"
            )
    finally:
        await connection.close()
