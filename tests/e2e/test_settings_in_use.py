"""Settings in unusual spellings, through an instance and its commands; and a start with invalid ones."""

from __future__ import annotations

import asyncio
import email
import email.policy
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Servers
from tests.e2e.running import RunningAisle, free_port
from tests.integration.tcp_relay import relay

NAME = "Théâtre, Box Office: Main"


async def _first_email(home: Path) -> bytes:
    for _ in range(600):
        for file in sorted((home / "inbox").glob("*.eml")):
            return file.read_bytes()
        await asyncio.sleep(0.1)
    raise AssertionError("no e-mail came")


async def test_every_part_works_with_several_hosts_a_valkey_url_and_a_sender_with_a_comma(
    tmp_path: Path, servers: Servers, database_url: str, redis_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    async with (
        relay(servers.postgres.sockets / ".s.PGSQL.5432") as primary,
        relay(servers.redis.socket) as cache,
    ):
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{primary}"
        settings = {
            "AISLE_SAMPLE_DATA": "on",
            "AISLE_DATABASE_URL": f"postgresql+asyncpg://aisle:p%23w@{hosts}/{name}?target_session_attrs=read-write",
            "AISLE_REDIS_URL": f"valkey://127.0.0.1:{cache}/3",
            "AISLE_MAIL_FROM": f"{NAME} <tickets@müller.example>",
            "AISLE_PUBLIC_URL": "http://Tickets.Example:80/",
            "AISLE_CORS_ORIGINS": "https://Shop.Example:443,https://müller.example",
        }
        running = RunningAisle(tmp_path / "home", settings)
        await running.start()
        try:
            async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
                for origin in ("https://shop.example", "https://xn--mller-kva.example"):
                    answer = await client.get("/api/shows", headers={"Origin": origin})
                    assert answer.headers["access-control-allow-origin"] == origin
                ada = {"username": "ada", "email": "ada@example.com", "password": "a horse of course"}
                assert (await client.post("/api/signup", json=ada)).status_code == 201
            message = email.message_from_bytes(await _first_email(running.home), policy=email.policy.default)
            assert [(one.display_name, one.addr_spec) for one in message["From"].addresses] == [
                (NAME, "tickets@xn--mller-kva.example")
            ]
            text = message.get_body(("plain",))
            assert text is not None
            assert "http://tickets.example/" in text.get_content()
            show = await running.make_show(2)
            async with running.client(1) as customer:
                booked = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]})
                assert booked.status_code == 201, booked.text
            for command in (["verify"], ["migrate"], ["psql", "-Atc", "SELECT 1"]):
                done = await asyncio.to_thread(running.command, *command)
                assert done.returncode == 0, done.stderr
            shown = (await asyncio.to_thread(running.command, "settings")).stdout
            assert "AISLE_PUBLIC_URL=http://tickets.example\n" in shown
            assert "AISLE_CORS_ORIGINS=https://shop.example,https://xn--mller-kva.example\n" in shown
            assert "AISLE_DATABASE_URL=(set)\n" in shown
        finally:
            assert await asyncio.to_thread(running.stop) == 0
        assert "p#w" not in running.output.read_text()
        assert "p%23w" not in running.output.read_text()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AISLE_DATABASE_URL", "postgresql://ada:hunter2#x@db/aisle", "percent-encode # / @"),
        (
            "AISLE_DATABASE_URL",
            "postgresql://ada:hunter2@db/aisle?channel_binding=require",
            "channel_binding",
        ),
        ("AISLE_REDIS_URL", "redis+sentinel://:hunter2@db/main", "Sentinel is not supported"),
        ("AISLE_SMTP_URL", "smtp://ada:hunter2@mail.example:465", "write smtps://"),
        ("AISLE_KAFKA", "kafka://ada:hunter2@broker:9092", "are not supported"),
        ("AISLE_MAIL_FROM", "A <a@b.example>, B <c@d.example>", "one address is wanted"),
        ("AISLE_PUBLIC_URL", "https://venue.example/tickets/?x=1#y", "write https://venue.example"),
        ("AISLE_CORS_ORIGINS", "https://shop.example/", "write https://shop.example"),
        ("AISLE_ADMIN_PASSWORD", "1234567890", "commonest"),
        ("AISLE_STAFF_PASSWORD", "staff@aisle.example", "e-mail address"),
        ("AISLE_JWT_KEYS", '[{"kid": "a", "alg": "hunter2", "key": "x"}]', "key number 1"),
    ],
)
def test_a_start_with_a_wrong_setting_ends_with_one_line_and_no_piece_of_a_secret(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    running = RunningAisle(tmp_path / "home", {name: value})
    running.launch()
    assert running.process is not None
    assert running.process.wait(timeout=60) == 1
    said = running.output.read_text()
    assert name in said
    assert says in said
    assert "hunter" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [["rebuild", "--show", "1"], ["psql", "-c", "SELECT 1"]])
def test_a_command_whose_database_is_away_ends_without_a_traceback_or_a_password(
    tmp_path: Path, command: list[str]
) -> None:
    running = RunningAisle(
        tmp_path / "home", {"AISLE_DATABASE_URL": f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/aisle"}
    )
    done = running.command(*command)
    assert done.returncode != 0
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter" not in done.stdout + done.stderr
