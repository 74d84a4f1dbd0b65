"""The clients in `examples/`, run against a real Aisle through a network that loses responses and connections."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import httpx
import pytest

from tests.e2e.cutting_proxy import CuttingProxy, cutting_proxy, page, problem
from tests.e2e.example_clients import (
    EXAMPLES,
    NODE,
    ExampleClient,
    Start,
    eventually,
    javascript_client,
    python_client,
)
from tests.e2e.running import RunningAisle

PASSWORD = "correct-horse-battery"
needs_node = pytest.mark.skipif(NODE is None, reason="node is missing: examples/client.mjs is NOT tested")


def _has_websocket() -> bool:
    shown = subprocess.run(
        [NODE or "", "--print", "typeof WebSocket"], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip() == "function"


SOCKETS = [] if NODE is None or _has_websocket() else ["--experimental-websocket"]
NO_SOCKETS = ["--no-experimental-websocket"] if NODE is not None and _has_websocket() else []
CLIENTS = [
    pytest.param(python_client, id="python"),
    pytest.param(javascript_client(*SOCKETS), id="javascript", marks=needs_node),
]
WITH_POLLING = [
    *CLIENTS,
    pytest.param(javascript_client(*NO_SOCKETS), id="javascript-polling", marks=needs_node),
]


class Scene(NamedTuple):
    """A client behind a network, on a show of twenty seats."""

    aisle: RunningAisle
    proxy: CuttingProxy
    client: ExampleClient
    show_id: int
    user_id: int
    username: str

    async def bookings(self) -> list[dict[str, Any]]:
        async with self.aisle.client(self.user_id) as http:
            items: list[dict[str, Any]] = (await http.get("/api/me/bookings")).json()["items"]
            return items

    async def book_as_another(self, user_id: int, *seats: str) -> None:
        async with self.aisle.client(user_id) as http:
            answer = await http.post(f"/api/shows/{self.show_id}/bookings", json={"seats": seats})
            assert answer.status_code == 201, answer.text


async def sign_up(aisle: RunningAisle, username: str) -> int:
    account = {"username": username, "email": f"{username}@clients.example", "password": PASSWORD}
    async with httpx.AsyncClient(base_url=aisle.url, timeout=40) as http:
        answer = await http.post("/api/signup", json=account)
        assert answer.status_code == 201, answer.text
        user_id: int = answer.json()["id"]
        return user_id


@pytest.fixture
async def scene(request: pytest.FixtureRequest, laptop: RunningAisle) -> AsyncIterator[Scene]:
    start: Start = request.param
    username = f"client-{os.urandom(4).hex()}"
    user_id = await sign_up(laptop, username)
    show_id = await laptop.make_show(20)
    async with cutting_proxy(laptop.port) as proxy, start(proxy.url, username, PASSWORD) as client:
        yield Scene(laptop, proxy, client, show_id, user_id, username)


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
async def test_requests_whose_responses_are_lost_are_repeated_with_the_same_key(scene: Scene) -> None:
    scene.proxy.lost.extend(["POST /api/shows/", "POST /api/shows/", "POST /api/bookings/"])
    held = (await scene.client.call("hold", scene.show_id, "hold-1", {"seats": ["3", "4"]}))["result"]
    assert (held["status"], held["seats"]) == ("held", ["3", "4"])
    booked = (await scene.client.call("confirm", held["id"], "confirm-1"))["result"]
    assert (booked["id"], booked["status"]) == (held["id"], "confirmed")
    assert [key for _, key in scene.proxy.requests("POST /api/shows/")] == ["hold-1"] * 3
    assert [key for _, key in scene.proxy.requests("POST /api/bookings/")] == ["confirm-1"] * 2
    assert [booking["id"] for booking in await scene.bookings()] == [held["id"]]
    # A restarted program repeats the request with the key that it stored.
    again = (await scene.client.call("hold", scene.show_id, "hold-1", {"seats": ["3", "4"]}))["result"]
    assert again["id"] == held["id"]
    cancelled = (await scene.client.call("cancel", held["id"], "cancel-1"))["result"]
    assert cancelled["status"] == "cancelled"


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
async def test_a_refusal_names_its_seats(scene: Scene, new_user: Callable[[], int]) -> None:
    await scene.book_as_another(new_user(), "8", "9")
    refused = (await scene.client.call("hold", scene.show_id, "hold-1", {"seats": ["7", "8", "9"]}))[
        "refused"
    ]
    assert (refused["status"], refused["code"], refused["seats"]) == (409, "seat_taken", ["8", "9"])
    assert len(scene.proxy.requests("POST /api/shows/")) == 1, (
        "a refusal is final: the request is not repeated"
    )


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
async def test_rejected_requests_are_repeated_with_the_same_key_after_retry_after(scene: Scene) -> None:
    busy = [
        problem(429, "rate_limited", Retry_After="1"),
        problem(503, "overloaded", Retry_After="1"),
        page(502),
    ]
    scene.proxy.answers.extend(("POST /api/shows/", answer) for answer in busy)
    scene.proxy.answers.append(("POST /api/bookings/", problem(500, "internal_error")))
    began = asyncio.get_running_loop().time()
    held = (await scene.client.call("hold", scene.show_id, "hold-1", {"quantity": 2}))["result"]
    assert asyncio.get_running_loop().time() - began > 2
    booked = (await scene.client.call("confirm", held["id"], "confirm-1"))["result"]
    assert booked["status"] == "confirmed"
    assert [key for _, key in scene.proxy.requests("POST /api/shows/")] == ["hold-1"] * 4
    assert not scene.proxy.answers


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
async def test_a_pending_command_is_polled_until_it_is_decided(scene: Scene) -> None:
    scene.proxy.rewrite = (b"wait=10", b"wait=00")  # so that nothing is decided in time
    workers = scene.aisle.pids("seat_workers")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        call = asyncio.create_task(scene.client.call("hold", scene.show_id, "hold-1", {"seats": ["5"]}))
        await eventually(lambda: len(scene.proxy.requests("GET /api/commands/")) > 1, "it does not poll")
        scene.proxy.lost.append("GET /api/commands/")
        await eventually(lambda: not scene.proxy.lost, "it does not poll on")
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    held = (await call)["result"]
    assert (held["status"], held["seats"]) == ("held", ["5"])
    assert len(scene.proxy.requests("POST /api/shows/")) == 1
    refused = (await scene.client.call("confirm", "01a1fd40-318b-8000-8000-05c8b1fac95c", "confirm-1"))[
        "refused"
    ]
    assert refused["status"] == 404


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
@pytest.mark.parametrize("lost", [False, True])
async def test_an_expired_token_is_refreshed_once_for_all_calls(scene: Scene, lost: bool) -> None:
    for n in range(2):
        assert "result" in await scene.client.call(
            "hold", scene.show_id, f"before-{n}", {"seats": [str(n + 1)]}
        )
    scene.proxy.expired.add(scene.proxy.token)
    await asyncio.sleep(1.1)  # tokens of one account and second are the same
    if lost:  # the new pair is lost on its way; the old refresh token is spent
        scene.proxy.lost.append("POST /api/token/refresh")
    calls = [scene.client.call("hold", scene.show_id, f"key-{n}", {"seats": [str(n)]}) for n in range(10, 15)]
    assert all("result" in answer for answer in await asyncio.gather(*calls))
    assert not scene.proxy.lost
    assert len(scene.proxy.requests("POST /api/token/refresh")) == 1
    assert len(scene.proxy.requests("POST /api/login")) == (2 if lost else 1)
    keys = [key for _, key in scene.proxy.requests("POST /api/shows/") if key.startswith("key-")]
    assert set(keys) == {f"key-{n}" for n in range(10, 15)}
    assert 5 < len(keys) <= 10, "each at most once again"


@pytest.mark.parametrize("scene", CLIENTS, indirect=True)
async def test_a_wrong_password_is_reported_and_not_retried(scene: Scene) -> None:
    scene.proxy.answers.append(("POST /api/login", problem(401, "bad_credentials")))
    refused = (await scene.client.call("hold", scene.show_id, "hold-1", {"seats": ["1"]}))["refused"]
    assert (refused["status"], refused["code"]) == (401, "bad_credentials")
    assert len(scene.proxy.requests("POST /api/login")) == 1


@pytest.mark.parametrize("scene", WITH_POLLING, indirect=True)
async def test_the_live_seat_map_is_correct_after_every_lost_connection(
    scene: Scene, new_user: Callable[[], int]
) -> None:
    scene.client.watch_seats(scene.show_id)
    await eventually(lambda: scene.client.watched, "there is no seat map")
    for n in range(1, 6):
        await scene.book_as_another(new_user(), str(n))
        if n % 2:
            scene.proxy.cut_all()
            await scene.book_as_another(new_user(), str(10 + n))
        sold = {*map(str, range(1, n + 1)), *(str(10 + m) for m in range(1, n + 1, 2))}

        def shown(sold: set[str] = sold) -> bool:
            return {
                seat for seat, state in scene.client.watched[-1]["states"].items() if state == "s"
            } == sold

        await eventually(shown, f"{sorted(sold)} are not shown as sold")
    versions = [seen["version"] for seen in scene.client.watched]
    assert versions == sorted(set(versions)), "each version once, and never back"


@pytest.mark.parametrize("scene", WITH_POLLING, indirect=True)
async def test_own_bookings_are_reported_after_every_lost_connection(scene: Scene) -> None:
    first = (await scene.client.call("hold", scene.show_id, "hold-0", {"seats": ["1"]}))["result"]
    scene.client.watch_bookings()
    await eventually(lambda: scene.client.watched, "what was booked before is not reported")
    made = [first["id"]]
    async with scene.aisle.client(scene.user_id) as elsewhere:
        for n in range(2, 6):
            answer = await elsewhere.post(f"/api/shows/{scene.show_id}/bookings", json={"seats": [str(n)]})
            made.append(answer.json()["id"])
            if n % 2:
                scene.proxy.cut_all()
                await elsewhere.post(f"/api/bookings/{made[-1]}/cancel")

    def states() -> dict[str, str]:
        return {seen["booking"]["id"]: seen["booking"]["status"] for seen in scene.client.watched}

    wanted = dict(zip(made, ["held", "confirmed", "cancelled", "confirmed", "cancelled"], strict=True))
    await eventually(lambda: states() == wanted, "the last states are not reported")
    reported = [
        (seen["booking"]["id"], seen["booking"]["decided"]["offset"]) for seen in scene.client.watched
    ]
    assert len(reported) == len(set(reported)), "each state once"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, str(EXAMPLES / "client.py")], id="python"),
        pytest.param([NODE or "", *SOCKETS, str(EXAMPLES / "client.mjs")], id="javascript", marks=needs_node),
    ],
)
async def test_an_example_runs_from_the_command_line(laptop: RunningAisle, command: list[str]) -> None:
    username = f"client-{os.urandom(4).hex()}"
    await sign_up(laptop, username)
    show_id = str(await laptop.make_show(20))
    where = ["--show", show_id, "--quantity", "3"] if command[0] == sys.executable else [show_id, "3"]
    process = await asyncio.create_subprocess_exec(
        *command, laptop.url, username, PASSWORD, *where, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert b"booked" in printed
    assert b"live confirmed" in printed
