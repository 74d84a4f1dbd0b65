"""The units in `deploy/systemd`: verified by systemd, and run here with their own settings and command lines."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runtime.settings import Settings, read_settings
from tests.conftest import Servers
from tests.e2e.running import free_port

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("aisle*.service"))
ADMIN_PASSWORD = "correct-horse-battery"
SYSTEMD = shutil.which("systemd-analyze")


def environment_file() -> dict[str, str]:
    """deploy/systemd/aisle.env as systemd reads it, with a key in place of the placeholder."""
    text = (UNITS / "aisle.env").read_text().replace('"KEY"', '"Zm9yLXRlc3RzLW9ubHktbm90LWEtc2VjcmV0LWF0LWE"')
    given = (word.partition("=") for word in shlex.split(text, comments=True))
    return {name: value for name, _, value in given}


def lines(unit: str, key: str) -> list[str]:
    return [
        line.removeprefix(f"{key}=")
        for line in (UNITS / unit).read_text().splitlines()
        if line.startswith(f"{key}=")
    ]


def environment(unit: str, instance: int) -> dict[str, str]:
    """Returns the environment of a service on the host."""
    own = (word.partition("=") for line in lines(unit, "Environment") for word in line.split())
    return environment_file() | {name: value.replace("%i", str(instance)) for name, _, value in own}


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is missing")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path in UNITS.glob("aisle*.*"):
        text = path.read_text().replace("/opt/aisle/.venv/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / path.name).write_text(text)
    names = [path.name.replace("@.", "@1.") for path in tmp_path.iterdir() if path.suffix != ".env"]
    done = subprocess.run(
        [SYSTEMD or "", "verify", "--man=no", *names],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", NAMES)
def test_the_settings_of_a_unit_are_for_production(unit: str) -> None:
    settings: Settings = read_settings(environment(unit, 1))
    assert settings.sample_data is False
    assert settings.smtp_url is not None
    assert settings.public_url.startswith("https://")
    assert settings.trusted_proxies


def test_no_two_services_of_a_host_have_the_same_metrics_port() -> None:
    ports = [
        environment(unit, n)["AISLE_METRICS_PORT"]
        for unit in NAMES
        if lines(unit, "Type") != ["oneshot"]
        for n in (range(1, 10) if "@" in unit else [1])
    ]
    assert len(ports) == len(set(ports)) == 19


class Host:
    """Runs the units' command lines on servers and ports of the test."""

    def __init__(self, home: Path, servers: Servers, database_url: str) -> None:
        self.home = home
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.servers = {"AISLE_DATABASE_URL": database_url, "AISLE_REDIS_URL": servers.redis.url}

    def given(self, unit: str, instance: int, **more: str) -> dict[str, str]:
        here = self.servers | {"AISLE_HOME": str(self.home), "AISLE_METRICS_PORT": str(free_port())} | more
        plain = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
        return plain | environment(unit, instance) | here

    def command(self, unit: str) -> list[str]:
        [command] = lines(unit, "ExecStart")
        return command.replace("/opt/aisle/.venv/bin/", f"{Path(sys.executable).parent}/").split()

    def migrate(self) -> None:
        unit = "aisle-migrate.service"
        environment = self.given(unit, 1, AISLE_ADMIN_PASSWORD=ADMIN_PASSWORD)
        subprocess.run(self.command(unit), env=environment, check=True, capture_output=True)

    @contextlib.contextmanager
    def running(self, unit: str, instance: int) -> Iterator[None]:
        def as_systemd_does() -> None:
            os.dup2(self.listener.fileno(), 3)

        sockets = bool(lines(unit, "Sockets"))
        process = subprocess.Popen(
            self.command(unit),
            env=self.given(unit, instance),
            cwd=self.home,
            pass_fds=[3] if sockets else [],
            preexec_fn=as_systemd_does if sockets else None,
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=40) == 0


@pytest.fixture
def host(tmp_path: Path, servers: Servers, database_url: str, redis_url: str) -> Iterator[Host]:
    host = Host(tmp_path, servers, database_url)
    with host.listener:
        yield host


async def test_a_host_that_runs_the_units_sells_a_seat(host: Host) -> None:
    host.migrate()
    with contextlib.ExitStack() as stack:
        for unit, instance in (("seat-worker@", 1), ("seat-worker@", 2), ("notifier", 1), ("gateway@", 2)):
            stack.enter_context(host.running(f"aisle-{unit}.service", instance))
        async with httpx.AsyncClient(base_url=host.url, timeout=40) as client:
            with host.running("aisle-gateway@.service", 1):
                deadline = time.monotonic() + 60
                while (await client.get("/health/ready")).status_code != 200:
                    assert time.monotonic() < deadline
                pair = await client.post("/api/login", json={"username": "admin", "password": ADMIN_PASSWORD})
                client.headers["Authorization"] = f"Bearer {pair.json()['access']}"
                movie = (
                    await client.post("/api/movies", json={"title": "One", "duration_minutes": 90})
                ).json()
                show = {"movie_id": movie["id"], "screen_name": "1", "starts_at": "2099-01-01T20:00:00Z"}
                made = (await client.post("/api/shows", json=show | {"total_seats": 20})).json()
            # One gateway has stopped; the socket stays, and with it the other.
            async with httpx.AsyncClient(base_url=host.url, headers=client.headers, timeout=40) as other:
                booked = await other.post(f"/api/shows/{made['id']}/bookings", json={"seats": ["7"]})
                assert booked.status_code == 201, booked.text
