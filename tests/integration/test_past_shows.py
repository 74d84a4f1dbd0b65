"""A show may start in the past only where staff say so, whether it is created or moved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx

from tests.integration.programme import a_show, add_movie, add_show


def at(zone: Any = UTC, **ahead: float) -> str:
    return datetime.now(UTC).astimezone(zone).__add__(timedelta(**ahead)).isoformat()


def refused(answer: httpx.Response) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, "validation"), answer.text
    return [error["field"] for error in answer.json()["errors"]]


async def test_a_new_show_does_not_start_in_the_past(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    tokyo = timezone(timedelta(hours=9))
    for starts_at in (at(seconds=-1), at(days=-1), at(tokyo, minutes=-5), "1990-01-01T00:00:00Z"):
        for extra in ({}, {"past": False}):
            answer = await staff.post("/api/shows", json=a_show(movie, starts_at=starts_at) | extra)
            assert refused(answer) == ["starts_at"]
            assert "past: true" in answer.json()["errors"][0]["message"]
        taken = await add_show(staff, movie, starts_at=starts_at, past=True)
        assert taken["status"] == "past"
    answer = await staff.post("/api/shows", json=a_show(movie, starts_at=at(tokyo, minutes=5)))
    assert answer.status_code == 201
    assert refused(await staff.post("/api/shows", json=a_show(movie, past="yes"))) == ["past"]
    assert len((await staff.get("/api/shows?limit=100")).json()["items"]) == 5, (
        "what was refused is not there"
    )


async def test_all_errors_of_a_new_show_are_reported(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    wanted = a_show(movie, starts_at=at(days=-2), sales_end_at=at(days=-4), sales_start_at=at(days=-3))
    assert refused(await staff.post("/api/shows", json=wanted)) == ["sales_end_at", "starts_at"]
    assert refused(await staff.post("/api/shows", json=wanted | {"past": True})) == ["sales_end_at"]


async def test_a_repeat_after_the_start_gets_the_show_that_was_made_in_time(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    wanted, key = a_show(movie, starts_at=at(seconds=1.5)), {"Idempotency-Key": "soon"}
    first = await staff.post("/api/shows", json=wanted, headers=key)
    path = f"/api/shows/{first.json()['id']}"
    change = {"starts_at": at(seconds=2), "screen_name": "Hall 2"}
    assert (await staff.patch(path, json=change, headers={"Idempotency-Key": "move"})).status_code == 200
    await asyncio.sleep(2.1)
    again = await staff.post("/api/shows", json=wanted, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    moved = await staff.patch(path, json=change, headers={"Idempotency-Key": "move"})
    assert (moved.status_code, moved.headers["idempotency-replayed"]) == (200, "true")
    other = a_show(movie, starts_at=at(seconds=-1))
    assert refused(await staff.post("/api/shows", json=other, headers={"Idempotency-Key": "late"}))
    reused = await staff.post("/api/shows", json=other, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")


async def test_a_show_is_not_moved_into_the_past(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    show = await add_show(staff, movie)
    path, gone = f"/api/shows/{show['id']}", at(hours=-1)
    assert refused(await staff.patch(path, json={"starts_at": gone})) == ["starts_at"]
    assert refused(await staff.patch(path, json={"starts_at": gone, "past": False})) == ["starts_at"]
    assert (await staff.get(path)).json() == show
    assert (await staff.patch(path, json={"past": True})).json() == show
    moved = await staff.patch(path, json={"starts_at": gone, "past": True})
    assert (moved.status_code, moved.json()["status"]) == (200, "past")
    # A form sends all fields; what stays as it is may stay.
    same = {"starts_at": moved.json()["starts_at"], "screen_name": "Hall 9"}
    assert (await staff.patch(path, json=same)).json()["screen_name"] == "Hall 9"
    assert refused(await staff.patch(path, json={"starts_at": at(hours=-2)})) == ["starts_at"]
    back = await staff.patch(path, json={"starts_at": at(hours=1)})
    assert (back.status_code, back.json()["status"]) == (200, "on_sale")
