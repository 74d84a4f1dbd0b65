"""Aisle behind nginx with `deploy/nginx/aisle.conf`: HTTPS, WebSockets, the client's address, long waits."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.e2e.nginx_server import NGINX, Nginx
from tests.e2e.running import RunningAisle, free_port

RATE = 20  # requests a second from one address; five times as many at once

pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is missing"
)


class Deployment:
    """Aisle and its nginx."""

    def __init__(self, aisle: RunningAisle, nginx: Nginx) -> None:
        self.aisle = aisle
        self.nginx = nginx

    def customer(self, user_id: int, source: str = "127.0.0.1") -> httpx.AsyncClient:
        return self.nginx.client(source, Authorization=f"Bearer {self.aisle.token(user_id)}")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    settings = {
        "AISLE_TRUSTED_PROXIES": "127.0.0.1",
        "AISLE_PUBLIC_URL": f"https://localhost:{port}",
        "AISLE_RATE_LIMIT_ADDRESS": str(RATE),
    }
    aisle = RunningAisle(folder / "home", settings)
    nginx = Nginx(folder, aisle.port, port)
    try:
        asyncio.run(aisle.start())
        nginx.start()
        yield Deployment(aisle, nginx)
    finally:
        nginx.stop()
        assert aisle.stop() == 0


async def test_seats_are_booked_over_https(deployment: Deployment) -> None:
    show_id = await deployment.aisle.make_show(10)
    async with deployment.customer(100) as client:
        booked = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert booked.status_code == 201, booked.text
        mine = await client.get("/api/me/bookings")
        assert [one["id"] for one in mine.json()["items"]] == [booked.json()["id"]]
        ticket = await client.get(f"/api/bookings/{booked.json()['id']}/ticket.pdf")
        assert ticket.content.startswith(b"%PDF-")
        shown = await client.get(f"/api/shows/{show_id}/seats")
        etag = {"If-None-Match": shown.headers["ETag"]}
        assert (await client.get(f"/api/shows/{show_id}/seats", headers=etag)).status_code == 304


async def test_plain_http_is_sent_to_https(deployment: Deployment) -> None:
    async with httpx.AsyncClient(headers={"Host": "localhost"}) as client:
        answer = await client.get(f"http://127.0.0.1:{deployment.nginx.port + 1}/api/shows?limit=1")
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://localhost/api/shows?limit=1")


async def test_a_websocket_passes_also_from_a_page_of_the_site(deployment: Deployment) -> None:
    show_id = await deployment.aisle.make_show(10)
    address = f"wss://localhost:{deployment.nginx.port}/api/shows/{show_id}/live"
    async with connect(address, ssl=deployment.nginx.tls, origin=deployment.nginx.url) as socket:  # type: ignore[arg-type]
        assert '"seats"' in str(await socket.recv())
        async with deployment.customer(101) as client:
            await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["2"]})
        assert '"2"' in str(await socket.recv())


async def test_each_client_is_counted_by_its_own_address(deployment: Deployment) -> None:
    async with deployment.nginx.client("127.0.0.2", **{"X-Forwarded-For": "203.0.113.9"}) as busy:
        began = time.monotonic()
        statuses = [(await busy.get("/api/shows?limit=1")).status_code for _ in range(20 * RATE)]
        took_s = time.monotonic() - began
        limited = statuses.count(429)
        # With one address for all, or a forged one believed, another client would be limited, too, or this one not.
        if took_s * RATE + 5 * RATE < len(statuses):
            assert limited > 0
            async with deployment.nginx.client("127.0.0.3") as calm:
                assert (await calm.get("/api/shows?limit=1")).status_code == 200
        else:
            pytest.skip(f"this machine is too busy to exceed {RATE} requests a second: {took_s:.0f} s")


async def test_a_wait_of_thirty_seconds_is_answered(deployment: Deployment) -> None:
    show_id = await deployment.aisle.make_show(10)
    workers = deployment.aisle.pids("seat_workers")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with deployment.customer(102) as client:
            began = time.monotonic()
            answer = await client.post(
                f"/api/shows/{show_id}/bookings", json={"seats": ["3"]}, headers={"Prefer": "wait=30"}
            )
            assert time.monotonic() - began >= 30
            assert answer.status_code == 202, answer.text
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    async with deployment.customer(102) as client:
        status = await client.get(answer.headers["Location"], headers={"Prefer": "wait=30"})
        assert status.json()["status"] == "accepted"


async def test_a_body_that_is_too_large_gets_a_problem_and_the_inbox_nothing(deployment: Deployment) -> None:
    async with deployment.customer(103) as client:
        large = await client.post("/api/shows/1/bookings", json={"seats": ["1"], "note": "x" * 2**20})
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert (await client.get("/inbox")).status_code == 404
