"""Secrets never appear in log lines, also for invalid requests; and accounts from the command line."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.auth.access_tokens import Tokens
from tests.e2e.running import AISLE, RunningAisle

STAFF = "the-box-office-opens-1"
ADMIN = "the-administrator-sees-2"
PASSWORD = "a-horse-behind-the-curtain"
NEW_PASSWORD = "a-goose-before-the-curtain"
WRONG = "this-was-never-the-password"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[RunningAisle]:
    """Yields an instance at log level debug."""
    settings = {
        "AISLE_LOG_LEVEL": "debug",
        "AISLE_ADMIN_PASSWORD": ADMIN,
        "AISLE_STAFF_PASSWORD": STAFF,
        "AISLE_PUBLIC_URL": "https://tickets.example",
    }
    running = RunningAisle(tmp_path / "home", settings)
    running.launch()
    yield running
    assert running.stop() == 0


async def _reset_link(client: httpx.AsyncClient) -> str:
    """Returns the token in the newest e-mail with a link."""
    for _ in range(300):
        for summary in (await client.get("/inbox", params={"format": "json"})).json()["items"]:
            email = await client.get(f"/inbox/{summary['id']}", params={"format": "json"})
            if "/password/reset#" in email.text:
                return email.text.partition("/password/reset#")[2][:43]
        await asyncio.sleep(0.1)
    raise AssertionError("no e-mail arrived")


def _everything_logged(running: RunningAisle) -> str:
    files = [running.output, *running.home.glob("*.log")]
    assert len(files) >= 3, "Aisle's own, PostgreSQL's and Redis'"
    return "\n".join(file.read_text(errors="replace") for file in files)


async def test_no_secret_is_logged_at_any_level(instance: RunningAisle) -> None:
    await instance.wait_until_ready()
    secrets: dict[str, str] = {}

    async with httpx.AsyncClient(base_url=instance.url, timeout=30) as client:

        async def post(path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
            return await client.post(path, json=body, headers=headers)

        signed_up = await post("/api/signup", username="ada", email="ada@example.com", password=PASSWORD)
        assert signed_up.status_code == 201
        assert (
            await post("/api/signup", username="ada", email="x@example.com", password=PASSWORD)
        ).status_code == 409
        assert (await post("/api/login", username="ada", password=WRONG)).status_code == 401
        pair = (await post("/api/login", username="ada", password=PASSWORD)).json()
        secrets |= {"access": pair["access"], "refresh": pair["refresh"]}
        bearer = {"Authorization": f"Bearer {pair['access']}", "Idempotency-Key": "a-key-that-is-mine"}
        broken = [
            await client.post("/api/login", content=f'{{"password": "{PASSWORD}", nonsense'),
            await client.post("/api/login", content=f'{{"password": "{PASSWORD}", "colour": "{PASSWORD}"}}'),
            await client.get(f"/api/me?password={PASSWORD}", headers=bearer),
            await client.get("/api/me", headers={"Authorization": f"Bearer {pair['access']}x"}),
            await client.patch(
                "/api/me", json={"password": NEW_PASSWORD, "old_password": WRONG}, headers=bearer
            ),
            await post("/api/shows/1/bookings", bearer, seats=["nowhere"]),
        ]
        assert all(400 <= answer.status_code < 500 for answer in broken), broken
        assert not any(PASSWORD in answer.text for answer in broken)
        renewed = (await post("/api/token/refresh", refresh=pair["refresh"])).json()
        secrets |= {"second access": renewed["access"], "second refresh": renewed["refresh"]}
        assert (await post("/api/token/refresh", refresh=pair["refresh"])).status_code == 401
        assert (await post("/api/password/forgot", email="ada@example.com")).status_code == 202
        secrets["link"] = await _reset_link(client)
        reset = await post("/api/password/reset", token=secrets["link"], password=NEW_PASSWORD)
        assert reset.status_code == 204, reset.text
        admin = (await post("/api/login", username="admin", password=ADMIN)).json()
        secrets["admin's access"] = admin["access"]
        users = await client.get("/api/users", headers={"Authorization": f"Bearer {admin['access']}"})
        assert users.status_code == 200
        assert "strict-transport-security" in users.headers

    instance.kill("gateway")
    instance.kill("seat_workers")
    await instance.wait_until_ready()
    secrets |= {"signing key": json.loads((instance.home / "keys.json").read_text())[0]["key"]}
    secrets |= {"ticket key": json.loads((instance.home / "ticket_keys.json").read_text())[0]["key"]}
    secrets |= {"staff": STAFF, "admin": ADMIN, "password": PASSWORD, "new": NEW_PASSWORD, "wrong": WRONG}
    logged = _everything_logged(instance)
    assert "level=debug" in logged
    assert not [name for name, secret in secrets.items() if secret in logged]


def test_an_account_made_on_the_command_line_logs_in(laptop: RunningAisle) -> None:
    made = laptop.command(
        "users", "create", "--role", "admin", "--username", "boss", "--email", "boss@example.com"
    )
    assert made.returncode == 0, made.stderr
    password = made.stdout.strip().rpartition(" ")[2]
    answer = httpx.post(f"{laptop.url}/api/login", json={"username": "boss", "password": password})
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access']}"}
    assert httpx.get(f"{laptop.url}/api/me", headers=headers).json()["role"] == "admin"
    assert httpx.get(f"{laptop.url}/api/users", headers=headers).status_code == 200


def test_a_password_can_be_given_on_standard_input(laptop: RunningAisle) -> None:
    made = subprocess.run(
        [AISLE, "users", "create", "--username", "typed", "--email", "t@example.com", "--password-stdin"],
        env=laptop.environment,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    login = {"username": "typed", "password": PASSWORD}
    assert httpx.post(f"{laptop.url}/api/login", json=login).status_code == 200


def test_thousands_of_test_customers_are_created_with_their_tokens(
    laptop: RunningAisle, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    made = laptop.command("users", "create", "--count", "12000", "--tokens", str(file))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tokens = file.read_text().splitlines()
    keys = Tokens((laptop.home / "keys.json").read_text(), {})
    now_s = file.stat().st_mtime
    callers = [keys.verify(f"Bearer {token}".encode(), now_s) for token in tokens]
    assert len({caller.user_id for caller in callers}) == 12000
    assert {caller.role for caller in callers} == {"customer"}
    for token in (tokens[0], tokens[-1]):
        headers = {"Authorization": f"Bearer {token}"}
        me = httpx.get(f"{laptop.url}/api/me", headers=headers).json()
        assert me["email"] == f"{me['username']}@test.invalid"
    login = {"username": me["username"], "password": "anything at all"}
    assert httpx.post(f"{laptop.url}/api/login", json=login).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--username", "demo", "--email", "new@example.com"], "--username: there is an account with this"),
        (["--username", "fresh", "--email", "DEMO@aisle.example"], "--email: there is an account with this"),
        (["--username", "a b", "--email", "new@example.com"], "--username: 3 to 32 characters"),
        (["--username", "fresh", "--email", "nowhere"], "--email: an e-mail address such as"),
        (["--username", "fresh"], "--username and --email are needed"),
        (["--count", "5"], "--count and --tokens go together"),
        (["--count", "5", "--tokens", "/nonexistent/tokens"], "this file cannot be written"),
        (["--count", "5", "--tokens", "x", "--email", "a@example.com"], "are for one account"),
    ],
)
def test_an_account_that_cannot_be_created_is_one_line(
    laptop: RunningAisle, arguments: list[str], message: str
) -> None:
    made = laptop.command("users", "create", *arguments)
    assert made.returncode == 1
    assert message in made.stderr
    assert made.stderr.count("\n") == 1
