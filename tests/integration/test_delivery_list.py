"""The list of e-mails: `aisle deliveries`, its `retry`, and `GET /api/deliveries`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving
from tests.integration.notifier_environment import opened

BOOKING = UUID("01a231d2-2a2b-8000-8000-f0b6c4de1cc5")
_INSERT = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload, status, attempts, due_at, taken_by, sent_at,
                        last_error, created_at, held, merged_into)
VALUES ($1, $2, 5, $3, '{}', $4, $5, $6::text::timestamptz, $7, $8::text::timestamptz, $9, '2026-11-20T10:00:00Z',
        $10, $11) RETURNING delivery_id"""


class Deliveries:
    """Deliveries in the database, and the command on it."""

    def __init__(self, database: asyncpg.Connection, url: str) -> None:
        self.database = database
        self._url = url

    async def add(self, event_id: str, status: str, **more: Any) -> int:
        """Stores a delivery; returns its id."""
        fields = {
            "kind": "booking_confirmed",
            "booking_id": BOOKING,
            "status": status,
            "attempts": 0,
            "due_at": "2099-01-01T08:30:00Z",
            "taken_by": None,
            "sent_at": None,
            "last_error": None,
            "held": False,
            "merged_into": None,
        } | more
        made: int = await self.database.fetchval(_INSERT, event_id, *fields.values())
        return made

    async def add_each(self) -> dict[str, int]:
        """Stores one delivery of each state; returns their ids by the state."""
        ids = {
            "sent": await self.add("0-1-0", "sent", sent_at="2026-11-20T10:00:01.5Z", attempts=1),
            "skipped": await self.add("0-2-0", "skipped", last_error="the account was deleted", attempts=1),
            "failed": await self.add(
                "0-3-0", "failed", last_error="550 5.1.1 no such\n   mailbox", attempts=1
            ),
            "link": await self.add(
                "letter-1", "failed", kind="password_reset", booking_id=None, last_error="550", attempts=2
            ),
            "later": await self.add("0-4-0", "due", attempts=3, last_error="451 later"),
            "sending": await self.add("0-5-0", "due", attempts=1, taken_by="notifier-1"),
            "held": await self.add("0-6-0", "due", held=True),
        }
        ids["merged"] = await self.add("0-7-0", "due", held=True, due_at="infinity", merged_into=ids["held"])
        ids["failed part"] = await self.add(
            "0-8-0", "failed", due_at="infinity", merged_into=ids["failed"], last_error="550"
        )
        return ids

    async def states(self) -> dict[int, tuple[str, int, str | None, bool, bool]]:
        """Status, attempts, error, and whether it is due now, or never by itself."""
        rows = await self.database.fetch("SELECT *, due_at <= now() AS now FROM deliveries")
        return {
            row["delivery_id"]: (
                row["status"],
                row["attempts"],
                row["last_error"],
                row["now"],
                row["merged_into"] is not None,
            )
            for row in rows
        }

    async def aisle(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Exit status, output and errors of `aisle deliveries …`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", "deliveries", *arguments),
            env={**os.environ, "AISLE_DATABASE_URL": self._url} | settings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), errors.decode()


@pytest.fixture
async def deliveries(database: asyncpg.Connection, database_url: str) -> Deliveries:
    return Deliveries(database, database_url)


async def test_the_command_shows_what_waits_and_what_failed(deliveries: Deliveries) -> None:
    assert await deliveries.aisle() == (0, "0 due, 0 failed, 0 skipped, 0 sent\n", "")
    ids = await deliveries.add_each()
    status, out, errors = await deliveries.aisle()
    assert (status, errors) == (1, ""), "some failed"
    first, *lines = out.splitlines()
    assert first == "4 due, 3 failed, 1 skipped, 1 sent"
    text = "\n".join(lines)
    shown = [int(line.split()[0]) for line in lines if line.split()[0].isdigit() and " account 5 " in line]
    assert shown == sorted(set(ids.values()) - {ids["sent"], ids["skipped"]}, reverse=True)
    assert "          550 5.1.1 no such mailbox" in lines, "on one line"
    assert f"{ids['held']:>8}  booking_confirmed  account 5       held back, 0 attempts" in text
    [merged] = [line for line in lines if line.split()[0] == str(ids["merged"])]
    assert merged.endswith("held back, 0 attempts"), "it has no attempt of its own"
    [later] = [line for line in lines if line.split()[0] == str(ids["later"])]
    assert later.endswith("due, 3 attempts, next attempt 2099-01-01 08:30:00Z")

    status, out, _ = await deliveries.aisle("--failed")
    assert (status, out.count("failed, "), "due, 3 attempts" in out) == (1, 4, False)


async def test_the_command_writes_json_for_programs(deliveries: Deliveries) -> None:
    assert json.loads((await deliveries.aisle("--json"))[1]) == {"counts": {}, "items": []}
    ids = await deliveries.add_each()
    status, out, _ = await deliveries.aisle("--failed", "--json")
    found = json.loads(out)
    assert (status, found["counts"]) == (1, {"due": 4, "failed": 3, "skipped": 1, "sent": 1})
    assert [one["id"] for one in found["items"]] == [ids["failed part"], ids["link"], ids["failed"]]
    failed = found["items"][-1]
    assert failed == {
        "id": ids["failed"],
        "event_id": "0-3-0",
        "kind": "booking_confirmed",
        "user_id": 5,
        "booking_id": str(BOOKING),
        "status": "failed",
        "held": False,
        "attempts": 1,
        "created_at": "2026-11-20T10:00:00Z",
        "due_at": None,
        "sent_at": None,
        "last_error": "550 5.1.1 no such\n   mailbox",
    }
    every = json.loads((await deliveries.aisle("--json"))[1])["items"]
    due_at = {one["id"]: one["due_at"] for one in every}
    assert (due_at[ids["later"]], due_at[ids["merged"]]) == ("2099-01-01T08:30:00Z", None)


async def test_the_command_ends_well_where_none_failed_and_names_how_many_more_there_are(
    deliveries: Deliveries,
) -> None:
    for n in range(103):
        await deliveries.add(f"0-{n}-0", "due")
    status, out, _ = await deliveries.aisle()
    assert (status, out.count(" account 5 ")) == (0, 100)
    assert out.splitlines()[-1] == "… and 3 more: GET /api/deliveries has all"


async def test_retry_makes_due_what_failed_or_waits_and_nothing_else(deliveries: Deliveries) -> None:
    ids = await deliveries.add_each()
    before = await deliveries.states()
    assert await deliveries.aisle("retry") == (0, "3 e-mails are tried again now.\n", "")
    after = await deliveries.states()
    assert after[ids["failed"]] == after[ids["later"]] == ("due", 0, None, True, False)
    assert after[ids["failed part"]] == ("due", 0, None, False, True), "it goes out as part of the other"
    retried = {ids[name] for name in ("failed", "later", "failed part")}
    assert {one: after[one] for one in set(after) - retried} == {
        one: before[one] for one in set(before) - retried
    }
    await deliveries.database.execute("DELETE FROM deliveries WHERE status <> 'sent'")
    assert await deliveries.aisle("retry") == (0, "0 e-mails are tried again now.\n", "")
    await deliveries.add("0-9-0", "failed")
    assert await deliveries.aisle("retry") == (0, "1 e-mail is tried again now.\n", "")


async def test_a_refused_email_arrives_after_a_retry(
    database: asyncpg.Connection, database_url: str, settings: Callable[..., Settings]
) -> None:
    command = Deliveries(database, database_url)
    async with opened(database, database_url, settings) as environment, environment.notifier():
        environment.mail_server.refusals["ada@example.org"] = "550 5.1.1 no such mailbox"
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "failed")
        status, out, _ = await command.aisle("--failed")
        assert (status, "550 5.1.1 no such mailbox" in out) == (1, True)
        environment.mail_server.refusals.clear()
        assert (await command.aisle("retry"))[1] == "1 e-mail is tried again now.\n"
        sent = await environment.until_status("0-1-0", "sent")
        assert (sent["attempts"], len(environment.mail_server.messages)) == (1, 1)
        assert (await command.aisle())[0] == 0


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("--colour",), ("retry", "7"), ("retry", "--failed"), ("--failed", "7")]
)
async def test_wrong_usage_ends_with_status_2(deliveries: Deliveries, arguments: tuple[str, ...]) -> None:
    await deliveries.add("0-1-0", "failed", last_error="550")
    status, out, errors = await deliveries.aisle(*arguments)
    assert (status, out) == (2, "")
    assert arguments[-1] in errors
    assert (await deliveries.states()).popitem()[1][0] == "failed"


@pytest.mark.parametrize("arguments", [(), ("--json",), ("retry",)])
async def test_a_database_that_cannot_be_used_is_one_line_and_status_1(
    deliveries: Deliveries, arguments: tuple[str, ...]
) -> None:
    await deliveries.database.execute("ALTER TABLE deliveries RENAME TO elsewhere")
    status, out, errors = await deliveries.aisle(*arguments)
    assert (status, out, errors.count("\n")) == (1, "", 1)
    assert "aisle migrate" in errors
    closed = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
    status, out, errors = await deliveries.aisle(*arguments, AISLE_DATABASE_URL=closed)
    assert (status, out, errors.count("\n"), "Traceback" in errors) == (1, "", 1, False)


@pytest.fixture
async def staff(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made, worker=False) as server, server.client(1, "staff") as client:
        yield client


async def test_staff_read_what_became_of_every_email(
    staff: httpx.AsyncClient, deliveries: Deliveries
) -> None:
    ids = await deliveries.add_each()
    answer = await staff.get("/api/deliveries")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json()
    assert [one["id"] for one in found["items"]] == sorted(ids.values(), reverse=True)
    assert found["next_cursor"] is None
    by_id = {one["id"]: one for one in found["items"]}
    assert by_id[ids["sent"]] == {
        "id": ids["sent"],
        "event_id": "0-1-0",
        "channel": "email",
        "kind": "booking_confirmed",
        "user_id": 5,
        "booking_id": str(BOOKING),
        "status": "sent",
        "held": False,
        "attempts": 1,
        "created_at": "2026-11-20T10:00:00.000Z",
        "due_at": None,
        "sent_at": "2026-11-20T10:00:01.500Z",
        "last_error": None,
    }
    assert by_id[ids["later"]]["due_at"] == "2099-01-01T08:30:00.000Z"
    assert (by_id[ids["merged"]]["held"], by_id[ids["merged"]]["due_at"]) == (True, None)
    assert by_id[ids["link"]]["booking_id"] is None
    for status, names in (
        ("due", {"later", "sending", "held", "merged"}),
        ("failed", {"failed", "link", "failed part"}),
        ("sent", {"sent"}),
        ("skipped", {"skipped"}),
    ):
        items = (await staff.get("/api/deliveries", params={"status": status})).json()["items"]
        assert {one["id"] for one in items} == {ids[name] for name in names}, status


async def test_pages_have_every_email_once(staff: httpx.AsyncClient, deliveries: Deliveries) -> None:
    ids = [await deliveries.add(f"0-{n}-0", "sent" if n % 2 else "failed") for n in range(13)]
    for status, wanted in ((None, ids), ("failed", ids[::2]), ("sent", ids[1::2])):
        seen, params = list[int](), {"limit": "3"} | ({} if status is None else {"status": status})
        for _ in range(6):
            page = (await staff.get("/api/deliveries", params=params)).json()
            seen += [one["id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert seen == wanted[::-1], status


async def test_unfit_queries_are_refused_with_the_field(
    staff: httpx.AsyncClient, deliveries: Deliveries
) -> None:
    await deliveries.add("0-1-0", "sent")
    for query, field in (
        ("status=open", "status"),
        ("status=", "status"),
        ("status=null", "status"),
        ("status=sent&status=due", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.0", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=" + "A" * 201, "cursor"),
        ("cursor=WyJ4Il0", "cursor"),
        ("cursor=%00", "cursor"),
        ("colour=red", "colour"),
    ):
        answer = await staff.get(f"/api/deliveries?{query}")
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "validation"), query
        assert [error["field"] for error in problem["errors"]] == [field], query
