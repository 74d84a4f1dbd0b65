"""The commands for e-mails: `aisle deliveries`, and its `retry`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from ops.command_line import command_settings

T = TypeVar("T")

_LIMIT = 100
_COUNTS = "SELECT status, count(*) FROM deliveries GROUP BY status"
_LIST = """
SELECT delivery_id AS id, event_id, kind, user_id, booking_id::text, status, held, attempts, created_at,
       CASE WHEN status = 'due' AND isfinite(due_at) THEN due_at END AS due_at, sent_at, last_error
  FROM deliveries WHERE status = ANY ($1) ORDER BY delivery_id DESC LIMIT $2"""
# What was merged comes back as part of its e-mail. The link of a failed password reset is gone.
_RETRY = """
UPDATE deliveries
   SET status = 'due', attempts = 0, last_error = NULL,
       due_at = CASE WHEN merged_into IS NULL THEN now() ELSE 'infinity' END
 WHERE (status = 'failed' AND kind <> 'password_reset')
    OR (status = 'due' AND taken_by IS NULL AND merged_into IS NULL AND NOT held AND attempts >= 0)
RETURNING delivery_id"""


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the `aisle` command."""
    deliveries_app = typer.Typer(help="E-mails, and what became of them.", invoke_without_command=True)
    deliveries_app.callback()(show)
    deliveries_app.command()(retry)
    app.add_typer(deliveries_app, name="deliveries")


def show(
    context: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Show the e-mails that wait or failed, newest first, and how many there are. Exit status 1 if any failed."""
    if context.invoked_subcommand is not None:
        return
    wanted = ["failed"] if failed else ["due", "failed"]

    async def read(connection: Any) -> tuple[dict[str, int], list[dict[str, Any]]]:
        counts = dict(await connection.fetch(_COUNTS))
        return counts, [dict(row) for row in await connection.fetch(_LIST, wanted, _LIMIT)]

    counts, rows = _with_database(read)
    if as_json:
        print(msgspec.json.encode({"counts": counts, "items": rows}).decode())
    else:
        print("\n".join(lines(counts, rows)))
    raise typer.Exit(1 if counts.get("failed") else 0)


def retry() -> None:
    """Try the e-mails that failed, and those that wait for their next attempt, again now."""

    async def make_due(connection: Any) -> int:
        return len(await connection.fetch(_RETRY))

    tried = _with_database(make_due)
    print("1 e-mail is tried again now." if tried == 1 else f"{tried} e-mails are tried again now.")


def lines(counts: dict[str, int], rows: list[dict[str, Any]]) -> list[str]:
    """The lines of `aisle deliveries`."""
    found = [", ".join(f"{counts.get(name, 0)} {name}" for name in ("due", "failed", "skipped", "sent"))]
    for row in rows:
        state = "held back" if row["held"] and row["status"] == "due" else row["status"]
        next_at: datetime | None = row["due_at"]
        when = "" if next_at is None else f", next attempt {next_at:%Y-%m-%d %H:%M:%S}Z"
        found.append(
            f"{row['id']:>8}  {row['kind']:<18} account {row['user_id']:<7} {state}, {row['attempts']} attempts{when}"
        )
        if row["last_error"]:
            found.append(f"          {' '.join(row['last_error'].split())[:200]}")
    shown = sum(count for name, count in counts.items() if name in {row["status"] for row in rows})
    if shown > len(rows):
        found.append(f"… and {shown - len(rows)} more: GET /api/deliveries has all")
    return found


def _with_database(work: Callable[[Any], Awaitable[T]]) -> T:
    import asyncpg

    from ops.database import database
    from runtime import postgres
    from runtime.process import CannotStart

    async def run(url: str) -> T:
        connection = await postgres.connect(url, "aisle deliveries")
        try:
            return await work(connection)
        finally:
            await connection.close()

    with database(command_settings(), "deliveries") as url:
        try:
            return asyncio.run(run(url))
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            raise CannotStart("the database lacks tables of this release: run `aisle migrate`") from None
