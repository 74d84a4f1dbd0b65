"""`aisle up` and `aisle migrate` with AISLE_SAMPLE_DATA=off: an instance that starts empty."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import RunningAisle

ADMIN_PASSWORD = "correct-horse-battery"


@pytest.fixture
async def aisle(tmp_path: Path) -> AsyncIterator[RunningAisle]:
    """An Aisle without sample data, not started yet."""
    running = RunningAisle(tmp_path / "home", {"AISLE_SAMPLE_DATA": "off"})
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


async def login(client: httpx.AsyncClient, username: str, password: str) -> httpx.Response:
    return await client.post("/api/login", json={"username": username, "password": password})


async def test_an_empty_house_opens_its_first_show_and_stays_without_demo(aisle: RunningAisle) -> None:
    aisle.environment["AISLE_ADMIN_PASSWORD"] = ADMIN_PASSWORD
    await aisle.start()
    async with httpx.AsyncClient(base_url=aisle.url, timeout=40) as client:
        assert (await client.get("/api/movies")).json()["items"] == []
        assert (await client.get("/api/shows")).json()["items"] == []
        assert (await login(client, "demo", "demopass1234")).status_code == 401
        client.headers["Authorization"] = (
            f"Bearer {(await login(client, 'admin', ADMIN_PASSWORD)).json()['access']}"
        )
        movie = await client.post("/api/movies", json={"title": "First Night", "duration_minutes": 90})
        assert movie.status_code == 201, movie.text
        show = {"movie_id": movie.json()["id"], "screen_name": "1", "starts_at": "2099-01-01T20:00:00Z"}
        made = await client.post("/api/shows", json=show | {"total_seats": 20})
        assert made.status_code == 201, made.text
        booked = await client.post(f"/api/shows/{made.json()['id']}/bookings", json={"seats": ["7"]})
        assert booked.status_code == 201, booked.text
    assert aisle.stop() == 0
    printed = aisle.output.read_text()
    assert "demo" not in printed
    assert "staff" not in printed
    assert "docs/empty-instance.md" in printed

    del aisle.environment["AISLE_SAMPLE_DATA"]  # the database remembers
    await aisle.start()
    async with httpx.AsyncClient(base_url=aisle.url) as client:
        assert len((await client.get("/api/movies")).json()["items"]) == 1
        assert (await login(client, "demo", "demopass1234")).status_code == 401
        assert (await login(client, "admin", ADMIN_PASSWORD)).status_code == 200
    assert aisle.command("verify").returncode == 0
    assert aisle.stop() == 0


async def test_demo_and_staff_stay_deactivated_and_deleted(aisle: RunningAisle) -> None:
    aisle.environment |= {
        "AISLE_SAMPLE_DATA": "on",
        "AISLE_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "AISLE_STAFF_PASSWORD": "staff-password-1",
    }
    await aisle.start()
    async with httpx.AsyncClient(base_url=aisle.url) as client:
        pair = (await login(client, "demo", "demopass1234")).json()
        gone = await client.request(
            "DELETE",
            "/api/me",
            json={"password": "demopass1234"},
            headers={"Authorization": f"Bearer {pair['access']}"},
        )
        assert gone.status_code == 204, gone.text
        client.headers["Authorization"] = (
            f"Bearer {(await login(client, 'admin', ADMIN_PASSWORD)).json()['access']}"
        )
        users = (await client.get("/api/users", params={"search": "staff"})).json()["items"]
        [staff_id] = [user["id"] for user in users if user["username"] == "staff"]
        assert (await client.patch(f"/api/users/{staff_id}", json={"active": False})).status_code == 200
    assert aisle.stop() == 0
    aisle.output.unlink()
    await aisle.start()
    async with httpx.AsyncClient(base_url=aisle.url) as client:
        assert (await login(client, "demo", "demopass1234")).status_code == 401
        assert (await login(client, "staff", "staff-password-1")).status_code == 401
    assert aisle.stop() == 0
    printed = aisle.output.read_text()
    assert "demopass1234" not in printed, "neither the login nor the command that books with it"
    assert "staff /" not in printed


def test_a_migration_of_a_new_database_makes_the_admin_and_prints_the_password_once(
    aisle: RunningAisle,
) -> None:
    first = aisle.command("migrate")
    assert first.returncode == 0, first.stderr
    [line] = [line for line in first.stdout.splitlines() if line.startswith("admin / ")]
    kept = json.loads((aisle.home / "credentials.json").read_text())
    assert kept == {"admin": line.removeprefix("admin / ")}
    assert "admin" not in aisle.command("migrate").stdout
    again = aisle.command("sample-data")
    assert (again.returncode, "No sample data" in again.stdout) == (0, True)
    assert aisle.command("psql", "-Atc", "SELECT username FROM users").stdout == "admin\n"
