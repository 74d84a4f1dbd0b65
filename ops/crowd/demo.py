"""`make demo`: Aisle on a home of its own, the theatre on sale, and a crowd in waves until Ctrl-C.

Once a show is almost sold out, the next one is put on sale.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import randbelow
from typing import Any

import aiohttp
import msgspec

from ops.crowd.accounts import SignedAccounts, add_accounts
from ops.crowd.command import own_url, reporter, summary
from ops.crowd.run import Crowd, run_crowd, stop_on_signals
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.home import make_home
from ops.sample.theatre import theatre
from ops.users import signing_tokens
from runtime import postgres
from runtime.process import CannotStart
from runtime.settings import Settings

HOME = Path(".aisle-demo")

_READY_S = 120.0
_STOP_S = 60.0
_PAUSE_S = 5.0
_OPENING_TRIES = 100
_SOLD_OUT = 0.04
"""Part of the seats that may be left over."""
_NOT_HERE = ("AISLE_DATABASE_URL", "AISLE_REDIS_URL", "AISLE_KAFKA", "AISLE_SMTP_URL", "AISLE_SAMPLE_DATA")
"""Settings of the user's own instance that would reach its data."""

_STAFF_SQL = (
    "SELECT user_id FROM users WHERE role IN ('staff', 'admin') AND active ORDER BY role DESC LIMIT 1"
)


def demo_environment() -> dict[str, str]:
    """Returns the environment of the demonstration: its own home, and embedded servers."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_HERE}
    return environment | {"AISLE_HOME": os.fspath(HOME.absolute())}


def demo(settings: Settings, *, people: int, wave_s: float) -> bool:
    """Runs until Ctrl-C. Returns whether every check found all well. Raises CannotStart."""
    make_home(settings.home)
    return asyncio.run(_demo(settings, people, wave_s))


async def _demo(settings: Settings, people: int, wave_s: float) -> bool:
    stop = stop_on_signals()
    print("Starting Aisle, which takes a moment …", flush=True)
    async with _aisle(settings, stop):
        if stop.is_set():
            return True
        database_url = EmbeddedPostgres(settings.home).url
        tokens = signing_tokens(settings)
        accounts = await add_accounts(database_url, tokens, people)
        connection = await postgres.connect(database_url, "demo")
        try:
            staff = SignedAccounts(tokens, [await connection.fetchval(_STAFF_SQL)], "staff")
        finally:
            await connection.close()
        well = True
        show_id = 0
        while not stop.is_set():
            if not show_id:
                show_id = await _new_show(settings, staff.token(0))
                site = settings.public_url
                print(f"\nWatch the house fill:  {site}/shows/{show_id}\n\nCtrl-C ends it.\n", flush=True)
                await _pause(stop, _PAUSE_S)
            crowd = Crowd(
                url=own_url(settings),
                show_id=show_id,
                people=len(accounts),
                for_s=wave_s,
                seed=randbelow(10**9),
                database_url=database_url,
            )
            result = await run_crowd(crowd, accounts, reporter(as_json=False), stop)
            print(summary(result), flush=True)
            well = well and not result.violations
            if result.seats_left <= _SOLD_OUT * sum(
                len(row) for s in theatre("EUR").sections for row in s.rows
            ):
                show_id = 0
            await _pause(stop, _PAUSE_S)
        print("Stopping Aisle …", flush=True)
    return well


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), pause_s)
    except TimeoutError:
        return


@asynccontextmanager
async def _aisle(settings: Settings, stop: asyncio.Event) -> AsyncIterator[None]:
    """Runs `aisle up`, ready within the block. Raises CannotStart with its last lines."""
    output = settings.home / "up.out"
    with_parent = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *with_parent,
            *(sys.executable, "-P", "-m", "ops", "up"),
            env=demo_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,  # Ctrl-C reaches the demonstration alone, which stops the crowd first
        )
    try:
        await _until_ready(settings, process, output, stop)
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(
    settings: Settings, process: asyncio.subprocess.Process, output: Path, stop: asyncio.Event
) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_S
    async with aiohttp.ClientSession(own_url(settings)) as session:
        while not stop.is_set():
            last = (await asyncio.to_thread(output.read_text, errors="replace")).strip()[-1500:]
            if process.returncode is not None:
                raise CannotStart(f"Aisle does not start: {last}")
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"Aisle is not ready after {_READY_S:.0f} s: {last}")
            try:
                # Only this instance writes this line: the port may be another's.
                if "Aisle is running" in last:
                    async with session.get("/health/ready") as response:
                        if response.status == 200:
                            return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


async def _new_show(settings: Settings, token: str) -> int:
    """Puts the theatre on sale with the first movie, two days from now. Returns the show. Raises CannotStart."""
    async with aiohttp.ClientSession(
        own_url(settings), headers={"Authorization": f"Bearer {token}"}
    ) as session:
        movies = (await _json(session.get("/api/movies?limit=100")))["items"]
        if not movies:
            raise CannotStart(
                f"{settings.home} has no movies: remove it, and the demonstration starts afresh"
            )
        starts_at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=2)
        wanted = {
            "movie_id": movies[randbelow(len(movies))]["id"],
            "screen_name": "Grand Theatre",
            "starts_at": starts_at.isoformat().replace("+00:00", "Z"),
            "layout": msgspec.to_builtins(theatre(settings.currency)),
        }
        show_id: int = (await _json(session.post("/api/shows", json=wanted)))["id"]
        for _ in range(_OPENING_TRIES):
            if (await _json(session.get(f"/api/shows/{show_id}")))["status"] != "opening":
                return show_id
            await asyncio.sleep(0.2)
    raise CannotStart(f"show {show_id} does not open; {settings.home}/up.out may say why")


async def _json(request: Any) -> Any:
    async with request as response:
        body = await response.read()
        if response.status >= 300:
            raise CannotStart(f"{response.url}: {response.status} {body[:300].decode(errors='replace')}")
        return msgspec.json.decode(body)
