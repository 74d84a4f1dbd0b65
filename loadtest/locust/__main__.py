"""`python -m loadtest.locust`, or `make loadtest`: runs Locust without its web page, then checks the results."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from loadtest.client import Client, SetupError
from loadtest.instance import new_instance, verify
from loadtest.locust.shapes import Shape, sale_starts_s
from loadtest.locust.shows_on_sale import make_shows

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
TOKEN_LIFETIME_S = 3600
LOCUST_START_S = 3.0
STOP_TIMEOUT_S = 600.0
"""Time limit of a run beyond its length: the last holds expire, and the service is read."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a run."""

    users: int
    seconds: float
    shape: Shape
    processes: int
    url: str
    tokens: Path | None
    staff_tokens: Path | None
    shows: str


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """The service under load, its accounts and its shows."""

    url: str
    tokens: Path
    shows: str
    alone: bool


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def loadtest(
    users: Annotated[int, typer.Option(envvar="USERS", min=1, help="Number of users.")] = 200,
    seconds: Annotated[float, typer.Option(envvar="SECONDS", min=0, help="Length of the run: 60.")] = 0,
    minutes: Annotated[float, typer.Option(envvar="MINUTES", min=0, help="The same, in minutes.")] = 0,
    shape: Annotated[Shape, typer.Option(envvar="SHAPE", help="Number of users over time.")] = Shape.SPIKE,
    processes: Annotated[
        int, typer.Option(envvar="PROCESSES", min=1, help="Locust processes, one per core.")
    ] = 1,
    url: Annotated[
        str, typer.Option(envvar="URL", help="A running service; else an instance is started.")
    ] = "",
    tokens: Annotated[
        Path | None,
        typer.Option(envvar="TOKENS", help="With a URL: from `aisle users create --count N --tokens FILE`."),
    ] = None,
    staff_tokens: Annotated[
        Path | None,
        typer.Option(
            envvar="STAFF_TOKENS", help="With a URL: the same with --role staff --count 1, to make shows."
        ),
    ] = None,
    shows: Annotated[
        str, typer.Option(envvar="SHOWS", help="With a URL: ids of shows; else those on sale.")
    ] = "",
) -> None:
    """Runs users who browse, buy, watch and cancel; exit status 1 unless the check passes."""
    length_s = minutes * 60 + seconds or 60.0
    plan = Plan(
        users=users, seconds=length_s, shape=shape, processes=processes,
        url=url.rstrip("/"), tokens=tokens, staff_tokens=staff_tokens, shows=shows,
    )  # fmt: skip
    try:
        passed = asyncio.run(_run(plan))
    except SetupError as error:
        raise SystemExit(f"loadtest: {error}") from None
    raise SystemExit(0 if passed else 1)


async def _run(plan: Plan) -> bool:
    if plan.seconds > TOKEN_LIFETIME_S - 300:
        raise SetupError("at most 55 minutes: access tokens of test customers are valid for an hour")
    if plan.url:
        return await _run_locust(plan, await _target(plan), os.environ)
    print("starting Aisle on a new home …", flush=True)
    async with new_instance(kafka=False, keep=False) as instance:
        with tempfile.TemporaryDirectory(prefix="aisle-loadtest-") as folder:
            customers, staff = Path(folder, "customers"), Path(folder, "staff")
            await _create(instance.environment, "customer", plan.users, customers)
            await _create(instance.environment, "staff", 1, staff)
            url = f"http://{instance.host}:{instance.port}"
            resolved = msgspec.structs.replace(plan, url=url, tokens=customers, staff_tokens=staff)
            passed = await _run_locust(plan, await _target(resolved), instance.environment)
        print("aisle verify …", flush=True)
        verified, output = await verify(instance)
        print(output)
        return passed and verified


async def _target(plan: Plan) -> _Target:
    if plan.tokens is None:
        raise SetupError("a URL needs TOKENS=FILE: `aisle users create --count N --tokens FILE` writes it")
    shows, alone = plan.shows, False
    if plan.staff_tokens is not None:
        parts = urlsplit(plan.url)
        if parts.scheme != "http" or parts.hostname is None:
            raise SetupError(
                "STAFF_TOKENS needs an address http://host:port; for others, make the shows and set SHOWS"
            )
        try:
            (staff,) = plan.staff_tokens.read_text().split()[:1]
        except (OSError, ValueError) as error:
            raise SetupError(f"{plan.staff_tokens}: {error}") from None
        sale_in_s = LOCUST_START_S + sale_starts_s(plan.shape, plan.seconds)
        async with Client(parts.hostname, parts.port or 80) as client:
            made = await make_shows(client, staff, plan.users, sale_in_s)
        shows, alone = ",".join(map(str, made)), True
    return _Target(url=plan.url, tokens=plan.tokens, shows=shows, alone=alone)


async def _run_locust(plan: Plan, target: _Target, environment: Mapping[str, str]) -> bool:
    """Runs Locust. Returns True when its exit status is 0."""
    options = ["--headless", "--only-summary", "--loglevel", "WARNING", "--locustfile", str(LOCUSTFILE)]
    options += ["--host", target.url, "--users", str(plan.users), "--seconds", str(plan.seconds)]
    options += ["--shape", plan.shape, "--tokens", str(target.tokens.absolute()), "--shows", target.shows]
    options += ["--alone"] if target.alone else []
    options += ["--processes", str(plan.processes)] if plan.processes > 1 else []
    print(f"{plan.users:,} users, {plan.shape}, {plan.seconds:g} s, at {target.url} …", flush=True)
    async with _running(options, environment) as locust:
        try:
            return await asyncio.wait_for(locust.wait(), plan.seconds + STOP_TIMEOUT_S) == 0
        except TimeoutError:
            raise SetupError("Locust does not end") from None


@asynccontextmanager
async def _running(
    options: list[str], environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    variables = {
        name: value for name, value in environment.items() if not name.startswith(("AISLE_LOAD_", "LOCUST_"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "locust", *options, env=variables, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _create(environment: Mapping[str, str], role: str, count: int, file: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", "users", "create", "--role", role, "--count", str(count), "--tokens", str(file),
        env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode:
        raise SetupError(output.decode(errors="replace").strip())


if __name__ == "__main__":
    app()
