"""The `aisle` command. Errors that its user can mend are one line and exit status 1."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import asyncpg
import msgspec
import typer

from ops.database import database
from ops.encoding import use_utf8
from runtime.process import known_reason
from runtime.settings import SECRET, Settings, read_settings
from runtime.telemetry import configure_logs

app = typer.Typer(
    name="aisle",
    help="Sells every seat exactly once. Settings are environment variables: see `aisle settings`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

users_app = typer.Typer(help="Accounts.", no_args_is_help=True)
app.add_typer(users_app, name="users")

_INTERNAL = ("listen_fd", "supervisor", "process")

_FILE_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOTDIR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EMFILE,
    }
)
"""What is wrong with a folder or a file, not with Aisle."""


def main() -> NoReturn:
    """Runs the command line that this process was started with."""
    use_utf8()
    try:
        os.getcwd()
    except OSError as error:
        sys.exit(f"aisle: the current folder: {error.strerror}; change to another one")
    try:
        app()
    except asyncpg.PostgresError as error:
        reason: str | None = f"PostgreSQL says: {error}"
    except OSError as error:
        reason = known_reason(error) or _file_reason(error)
        if reason is None:
            raise
    except Exception as error:
        if (reason := known_reason(error)) is None:
            raise
    print(f"aisle: {reason}", file=sys.stderr)
    sys.exit(1)


def _file_reason(error: OSError) -> str | None:
    if error.errno not in _FILE_ERRORS or error.filename is None:
        return None
    return f"{os.fsdecode(error.filename)}: {error.strerror}"


def _settings(*, log_level: str | None = "warning") -> Settings:
    settings = read_settings(os.environ)
    configure_logs("aisle", log_level or settings.log_level)
    return settings


@app.command()
def up() -> None:
    """Run everything on this machine in the foreground: servers, gateways, seat workers, notifier."""
    from ops.up import up as run

    run(_settings(log_level=None))


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date; make the log of a new database and, without sample data, its admin."""
    from ops.credentials import first_admin
    from ops.first_start import start_empty
    from ops.logs import bound_log
    from ops.migrations import migrate as apply

    settings = _settings()

    async def bring_up(url: str) -> tuple[list[str], str | None]:
        applied = await apply(url)
        async with bound_log(settings, url, create=True):
            if settings.sample_data:
                return applied, None
            return applied, (await start_empty(url, settings)).passwords.get("admin")

    with database(settings, "migrate", create=True) as url:
        applied, password = asyncio.run(bring_up(url))
    print("\n".join(applied) if applied else "The tables are up to date.")
    if password is not None:
        print(f"admin / {first_admin(settings, password)}")


@app.command()
def sample_data() -> None:
    """Add sample movies, shows and users, unless AISLE_SAMPLE_DATA was off when the database was new."""
    from ops.credentials import staff_logins
    from ops.logs import bound_log
    from ops.migrations import migrate as apply
    from ops.sample_data import SampleData, load

    settings = _settings()

    async def put_in(url: str) -> SampleData:
        await apply(url)
        async with bound_log(settings, url, create=True) as log:
            return await load(url, log, settings=settings)

    with database(settings, "sample-data", create=True) as url:
        made = asyncio.run(put_in(url))
    if made.sample_data:
        print("The sample data are there.")
    else:
        print("No sample data: AISLE_SAMPLE_DATA was off when this database was new.")
    for name, password in staff_logins(settings, made):
        print(f"{name} / {password}")


@app.command()
def verify(
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Let the next one go on from here, if nothing differs.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Look at everything, whatever checkpoint there is.")
    ] = False,
) -> None:
    """Decide the log again and compare with what is stored. Exit status 1 on any difference."""
    from ops.logs import bound_log
    from ops.verdict import Verdict
    from ops.verify import verify as compare

    settings = _settings()

    async def look(url: str) -> Verdict:
        async with bound_log(settings, url, create=False) as log:
            return await compare(url, log, from_start=from_start, checkpoint=checkpoint)

    with database(settings, "verify") as url:
        verdict = asyncio.run(look(url))
    for difference in verdict.differences:
        print(difference)
    if verdict.differences:
        print(f"{len(verdict.differences)} differences in {verdict.summary()}.")
        sys.exit(1)
    print(f"All is as decided: {verdict.summary()}.")
    if checkpoint:
        print("The next `aisle verify` goes on from here.")


@app.command()
def explain(
    position: Annotated[
        str, typer.Argument(help="Where in the log, as in 3-18211: `decided` of a booking says it.")
    ],
) -> None:
    """Tell what was asked at a position of the log, what was decided, and why."""
    from ops.explain import NoSuchPosition
    from ops.explain import explain as look_up
    from ops.logs import bound_log
    from schemas.ids import parse_position

    settings = _settings()
    try:
        wanted = parse_position(position)
    except ValueError as error:
        sys.exit(f"aisle: {error}")

    async def look(url: str) -> list[str]:
        async with bound_log(settings, url, create=False) as log:
            return await look_up(url, log, wanted)

    with database(settings, "explain") as url:
        try:
            lines = asyncio.run(look(url))
        except NoSuchPosition as error:
            sys.exit(f"aisle: {error}")
    print("\n".join(lines))


@app.command()
def rebuild(
    show: Annotated[int, typer.Option(min=1, help="Which show.")],
    schema: Annotated[str, typer.Option(help="Where to: rebuilt_show_N unless given.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of what is stored of the show.")
    ] = False,
) -> None:
    """Write claims, bookings and state of a show anew from its decisions, and say how they differ."""
    from ops.rebuild import rebuild as build
    from ops.rebuild import replace as put_in_place

    if replace and schema:
        sys.exit("aisle: either --replace or --schema")
    schema = schema or f"rebuilt_show_{show}"
    with database(_settings(), "rebuild") as url:
        compared = asyncio.run(put_in_place(url, show) if replace else build(url, show, schema))
    for table in compared:
        differ = f"{table.only_stored} only stored, {table.only_rebuilt} only rebuilt"
        same = not table.only_stored and not table.only_rebuilt
        print(
            f"{table.table:12} {table.stored} stored, {table.rebuilt} rebuilt: {'the same' if same else differ}"
        )
    where = "is in place; its worker starts anew and loads it" if replace else f"is in schema {schema}"
    print(f"Show {show} as its decisions say {where}.")


@app.command()
def kafka(port: Annotated[int, typer.Option(min=1, max=65534, help="Where it listens.")] = 9092) -> None:
    """Run a single Kafka node to try things out, in the foreground. Needs Java and Maven."""
    from ops.kafka import run

    sys.exit(run(_settings().home, port))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database. What follows is passed on: `aisle psql -c 'SELECT 1'`."""
    from ops.embedded import clean_environment
    from ops.embedded_postgres import EmbeddedPostgres
    from runtime.database_url import without_password

    settings = _settings()
    with database(settings, "psql") as url:
        program = EmbeddedPostgres(settings.home).binary("psql")
        # The command line of a process can be seen by every user of the machine; its environment cannot.
        address, environment = without_password(url)
        child = subprocess.Popen(
            [program, address, *context.args], env={**clean_environment(), **environment}
        )
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in psql is psql's
        status = child.wait()
    sys.exit(status)


@users_app.command("create")
def create_users(
    role: Annotated[
        Literal["customer", "staff", "admin"], typer.Option(help="What they may do.")
    ] = "customer",
    username: Annotated[str, typer.Option(help="With --count what the names begin with.")] = "",
    email: Annotated[str, typer.Option(help="Where letters go.")] = "",
    name: Annotated[str, typer.Option(help="How letters address them.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    count: Annotated[int, typer.Option(min=0, max=1_000_000, help="This many, for tests.")] = 0,
    tokens: Annotated[
        Path | None, typer.Option(help="With --count: a file for their access tokens, one a line.")
    ] = None,
) -> None:
    """Make an account, or with --count and --tokens many for tests, which have no password unless one is given."""
    from ops import users

    if bool(count) != (tokens is not None):
        sys.exit("aisle: --count and --tokens go together: the tokens are all that there is of test accounts")
    if count and (email or name):
        sys.exit("aisle: --email and --name are for one account, without --count")
    if not count and not (username and email):
        sys.exit("aisle: --username and --email are wanted, or --count and --tokens")
    settings = _settings()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with database(settings, "users create") as url:
        try:
            if tokens is not None:
                signing = users.signing_tokens(settings)
                prefix = username or users.made_up_prefix()
                making = users.create_many(
                    url, count, prefix=prefix, role=role, password=password, tokens=signing, file=tokens
                )
                asyncio.run(making)
                print(
                    f"{prefix}-1 to {prefix}-{count} are made; {tokens} has their tokens, good for an hour."
                )
            else:
                given = password if password is not None else users.made_up_password()
                user_id = asyncio.run(
                    users.create_user(
                        url, username=username, email=email, name=name, role=role, password=given
                    )
                )
                print(f"{username} is made, as {role}, number {user_id}.")
                if password is None:
                    print(f"The password, shown only now: {given}")
        except users.CannotCreate as error:
            sys.exit(f"aisle: {error}")


@app.command()
def settings() -> None:
    """Show every setting with its value; secrets are not shown."""
    found = _settings()
    for field in msgspec.structs.fields(Settings):
        if field.name not in _INTERNAL:
            name = f"AISLE_{field.name.upper()}"
            print(f"{name}={_shown(name, getattr(found, field.name))}")


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in SECRET:
        return "(set)"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
