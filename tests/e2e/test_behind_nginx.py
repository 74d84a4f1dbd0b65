"""Aisle behind nginx with `deploy/nginx/aisle.conf`: HTTPS, WebSockets, the client's address, long waits."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.e2e.running import RunningAisle, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "aisle.conf"
RATE = 20  # requests a second from one address; five times as many at once

pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is missing"
)

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/aisle.conf;
}}
"""


class Nginx:
    """nginx on a port of its own, with a certificate for `localhost` that it signed itself."""

    def __init__(self, folder: Path, aisle_port: int, port: int) -> None:
        self.port = port
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        files = [
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(self.certificate),
        ]
        subprocess.run(["openssl", "req", *options.split(), *files], check=True, capture_output=True)
        conf = CONF.read_text()
        for written, here in {
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen 127.0.0.1:{port + 1};",
            "    listen [::]:80;\n": "",
            "server_name tickets.example;": "server_name localhost;",
            "/etc/ssl/aisle/fullchain.pem": str(self.certificate),
            "/etc/ssl/aisle/privkey.pem": str(key),
            "server 127.0.0.1:8080;": f"server 127.0.0.1:{aisle_port};",
        }.items():
            assert written in conf, written
            conf = conf.replace(written, here)
        (folder / "aisle.conf").write_text(conf)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))
        self.command = [NGINX or "", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def start(self) -> None:
        subprocess.run([*self.command, "-t"], check=True, capture_output=True)
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/health/live", verify=self.tls, timeout=5)
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, "nginx does not answer"
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)

    def client(self, source: str, **headers: str) -> httpx.AsyncClient:
        """A client whose connections come from this address of the machine."""
        transport = httpx.AsyncHTTPTransport(verify=self.tls, local_address=source)
        return httpx.AsyncClient(base_url=self.url, transport=transport, headers=headers, timeout=60)


class House:
    """Aisle and its nginx."""

    def __init__(self, aisle: RunningAisle, nginx: Nginx) -> None:
        self.aisle = aisle
        self.nginx = nginx

    def customer(self, user_id: int, source: str = "127.0.0.1") -> httpx.AsyncClient:
        return self.nginx.client(source, Authorization=f"Bearer {self.aisle.token(user_id)}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
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
        yield House(aisle, nginx)
    finally:
        nginx.stop()
        assert aisle.stop() == 0


async def test_seats_are_booked_over_https(house: House) -> None:
    show_id = await house.aisle.make_show(10)
    async with house.customer(100) as client:
        booked = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert booked.status_code == 201, booked.text
        mine = await client.get("/api/me/bookings")
        assert [one["id"] for one in mine.json()["items"]] == [booked.json()["id"]]
        ticket = await client.get(f"/api/bookings/{booked.json()['id']}/ticket.pdf")
        assert ticket.content.startswith(b"%PDF-")
        shown = await client.get(f"/api/shows/{show_id}/seats")
        etag = {"If-None-Match": shown.headers["ETag"]}
        assert (await client.get(f"/api/shows/{show_id}/seats", headers=etag)).status_code == 304


async def test_plain_http_is_sent_to_https(house: House) -> None:
    async with httpx.AsyncClient(headers={"Host": "localhost"}) as client:
        answer = await client.get(f"http://127.0.0.1:{house.nginx.port + 1}/api/shows?limit=1")
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://localhost/api/shows?limit=1")


async def test_a_websocket_passes_also_from_a_page_of_the_site(house: House) -> None:
    show_id = await house.aisle.make_show(10)
    address = f"wss://localhost:{house.nginx.port}/api/shows/{show_id}/live"
    async with connect(address, ssl=house.nginx.tls, origin=house.nginx.url) as socket:  # type: ignore[arg-type]
        assert '"seats"' in str(await socket.recv())
        async with house.customer(101) as client:
            await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["2"]})
        assert '"2"' in str(await socket.recv())


async def test_each_client_is_counted_by_its_own_address(house: House) -> None:
    async with house.nginx.client("127.0.0.2", **{"X-Forwarded-For": "203.0.113.9"}) as busy:
        began = time.monotonic()
        statuses = [(await busy.get("/api/shows?limit=1")).status_code for _ in range(20 * RATE)]
        took_s = time.monotonic() - began
        limited = statuses.count(429)
        # With one address for all, or a forged one believed, another client would be limited, too, or this one not.
        if took_s * RATE + 5 * RATE < len(statuses):
            assert limited > 0
            async with house.nginx.client("127.0.0.3") as calm:
                assert (await calm.get("/api/shows?limit=1")).status_code == 200
        else:
            pytest.skip(f"this machine is too busy to exceed {RATE} requests a second: {took_s:.0f} s")


async def test_a_wait_of_thirty_seconds_is_answered(house: House) -> None:
    show_id = await house.aisle.make_show(10)
    workers = house.aisle.pids("seat_workers")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with house.customer(102) as client:
            began = time.monotonic()
            answer = await client.post(
                f"/api/shows/{show_id}/bookings", json={"seats": ["3"]}, headers={"Prefer": "wait=30"}
            )
            assert time.monotonic() - began >= 30
            assert answer.status_code == 202, answer.text
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    async with house.customer(102) as client:
        told = await client.get(answer.headers["Location"], headers={"Prefer": "wait=30"})
        assert told.json()["status"] == "accepted"


async def test_a_body_that_is_too_large_gets_a_problem_and_the_inbox_nothing(house: House) -> None:
    async with house.customer(103) as client:
        large = await client.post("/api/shows/1/bookings", json={"seats": ["1"], "note": "x" * 2**20})
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert (await client.get("/inbox")).status_code == 404
