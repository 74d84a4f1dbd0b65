"""The `aisle` command. Errors that its user can correct are one line, with exit status 1."""

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

from ops import check_in_commands, delivery_commands, partition_commands, process_commands
from ops.command_line import command_settings as _settings
from ops.database import database
from ops.encoding import use_utf8
from ops.migrate_command import migrate
from ops.prune_command import prune
from ops.top.cli import top
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
process_commands.add_to(app)
partition_commands.add_to(app)
check_in_commands.add_to(app)
delivery_commands.add_to(app)
for command in (migrate, prune, top):
    app.command()(command)

_INTERNAL = ("listen_fd", "handover_fd", "predecessor_fd", "supervisor", "process")

_FILE_ERRORS = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR),
        *(errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE),
    }
)
"""Errors of a folder or a file, which its user can correct."""


def main() -> NoReturn:
    """Runs the command line of this process."""
    use_utf8()
    try:
        os.getcwd()
    except OSError as error:
        sys.exit(f"aisle: the current folder: {error.strerror}; change to another one")
    try:
        app()
    except asyncpg.PostgresError as error:
        reason: str | None = f"PostgreSQL: {error}"
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


@app.command()
def up() -> None:
    """Run everything on this machine in the foreground: servers, gateways, seat workers, notifier."""
    from ops.local.up import up as run

    run(_settings(log_level=None))


@app.command()
def sample_data() -> None:
    """Add sample movies, shows and users, unless AISLE_SAMPLE_DATA was off when the database was new."""
    from ops.local.credentials import staff_logins
    from ops.logs import bound_log
    from ops.migrations import migrate as apply
    from ops.sample.data import SampleData, load

    settings = _settings()

    async def load_into(url: str) -> SampleData:
        await apply(url)
        async with bound_log(settings, url, create=True) as log:
            return await load(url, log, settings=settings)

    with database(settings, "sample-data", create=True) as url:
        made = asyncio.run(load_into(url))
    if made.sample_data:
        print("The sample data is loaded.")
    else:
        print("No sample data: AISLE_SAMPLE_DATA was off when this database was new.")
    for name, password in staff_logins(settings, made):
        print(f"{name} / {password}")


@app.command()
def verify(
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Write a checkpoint for the next run, if nothing differs.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Ignore any checkpoint and verify the whole log.")
    ] = False,
) -> None:
    """Replay the log and compare the results with the database. Exit status 1 on any difference."""
    from ops.audit.findings import Findings
    from ops.audit.verify import verify as compare
    from ops.logs import bound_log

    settings = _settings()

    async def compare_with_log(url: str) -> Findings:
        async with bound_log(settings, url, create=False) as log:
            return await compare(url, log, from_start=from_start, checkpoint=checkpoint)

    with database(settings, "verify") as url:
        findings = asyncio.run(compare_with_log(url))
    for difference in findings.differences:
        print(difference)
    if findings.differences:
        print(f"{len(findings.differences)} differences in {findings.summary()}.")
        sys.exit(1)
    print(f"No differences: {findings.summary()}.")
    if checkpoint:
        print("The next `aisle verify` begins at this checkpoint.")


@app.command()
def explain(
    position: Annotated[
        str, typer.Argument(help="Position in the log, such as 3-18211: the field `decided` of a booking.")
    ],
) -> None:
    """Show the command at a position of the log, its decision and the reason."""
    from ops.audit.explain import NoSuchPosition
    from ops.audit.explain import explain as look_up
    from ops.logs import bound_log
    from schemas.ids import parse_position

    settings = _settings()
    try:
        wanted = parse_position(position)
    except ValueError as error:
        sys.exit(f"aisle: {error}")

    async def explain_position(url: str) -> list[str]:
        async with bound_log(settings, url, create=False) as log:
            return await look_up(url, log, wanted)

    with database(settings, "explain") as url:
        try:
            lines = asyncio.run(explain_position(url))
        except NoSuchPosition as error:
            sys.exit(f"aisle: {error}")
    print("\n".join(lines))


@app.command()
def rebuild(
    show: Annotated[int, typer.Option(min=1, help="Id of the show.")],
    schema: Annotated[str, typer.Option(help="Target schema; rebuilt_show_N by default.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the stored rows of the show.")] = False,
) -> None:
    """Rebuild claims, bookings and state of a show from its decisions, and report the differences."""
    from ops.audit.rebuild import rebuild as build
    from ops.audit.rebuild import replace as put_in_place

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
    where = "is in place; its worker restarts and loads it" if replace else f"is in schema {schema}"
    print(f"Show {show}, rebuilt from its decisions, {where}.")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the backup.")],
) -> None:
    """Back up the database and the keys of the home into a new folder, while Aisle sells."""
    from ops.backup.dump import back_up
    from ops.backup.report import backup_lines

    settings = _settings()
    with database(settings, "backup") as url:
        manifest = back_up(url, settings.home, folder)
    print("\n".join(backup_lines(manifest, folder)))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of a backup.")],
) -> None:
    """Restore a backup into a new home or an empty database; on Kafka also what the log has since."""
    from ops.backup.report import restore_lines
    from ops.backup.restore import restore as run

    settings = _settings()
    print("\n".join(restore_lines(run(settings, folder), settings)))


@app.command()
def kafka(port: Annotated[int, typer.Option(min=1, max=65534, help="Port to listen on.")] = 9092) -> None:
    """Run a single Kafka node for trials, in the foreground. Needs Java and Maven."""
    from ops.kafka.node import run

    sys.exit(run(_settings().home, port))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database. Arguments are passed to psql: `aisle psql -c 'SELECT 1'`."""
    from ops.local.embedded import clean_environment
    from ops.local.embedded_postgres import EmbeddedPostgres
    from runtime.addresses.database_url import without_password

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


@app.command()
def crowd(
    show: Annotated[int, typer.Option(min=1, help="Id of the show.")],
    people: Annotated[int, typer.Option(min=1, max=20_000, help="Number of customers.")] = 200,
    duration: Annotated[str, typer.Option("--for", help="How long, such as 60s or 2m.")] = "60s",
    url: Annotated[str, typer.Option(help="Address of another Aisle than that of this home.")] = "",
    tokens: Annotated[
        Path | None, typer.Option(help="With --url: file with access tokens of customers, one per line.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the choices; random by default.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON: a line each second, then the result.")
    ] = False,
) -> None:
    """Send invented customers to a show, who compete for its seats. Exit status 1 if a seat was sold twice."""
    from secrets import randbelow

    from ops.crowd.command import crowd_elsewhere, crowd_here, own_url, summary
    from ops.crowd.durations import read_duration
    from ops.crowd.run import Crowd
    from runtime.addresses.web_address import read_public_url

    if bool(url) != (tokens is not None):
        raise typer.BadParameter("--url and --tokens go together")
    try:
        for_s = read_duration(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    try:
        address = read_public_url(url) if url else ""
    except ValueError as error:
        raise typer.BadParameter(f"{error}", param_hint="--url") from None
    settings = _settings()
    wanted = Crowd(
        url=address.rstrip("/") or own_url(settings),
        show_id=show,
        people=people,
        for_s=for_s,
        seed=randbelow(10**9) if seed is None else seed,
    )
    if tokens is not None:
        result = crowd_elsewhere(wanted, tokens, as_json=as_json)
    else:
        result = crowd_here(settings, wanted, as_json=as_json)
    print(msgspec.json.encode(result).decode() if as_json else summary(result))
    sys.exit(1 if result.violations else 0)


@app.command()
def demo(
    people: Annotated[int, typer.Option(min=1, max=20_000, help="Customers of each wave.")] = 350,
    wave: Annotated[str, typer.Option(help="How long a wave lasts, such as 60s or 2m.")] = "60s",
) -> None:
    """Run Aisle on a home of its own, .aisle-demo, with a crowd that fills the theatre, until Ctrl-C."""
    from ops.crowd.demo import demo as run
    from ops.crowd.demo import demo_environment
    from ops.crowd.durations import read_duration

    try:
        wave_s = read_duration(wave)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wave") from None
    configure_logs("aisle", "warning")
    sys.exit(0 if run(read_settings(demo_environment()), people=people, wave_s=wave_s) else 1)


@users_app.command("create")
def create_users(
    role: Annotated[
        Literal["customer", "staff", "admin"], typer.Option(help="Role of the accounts.")
    ] = "customer",
    username: Annotated[str, typer.Option(help="User name; with --count the prefix of the names.")] = "",
    email: Annotated[str, typer.Option(help="Address for e-mails.")] = "",
    name: Annotated[str, typer.Option(help="Name in the salutation of e-mails.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    count: Annotated[int, typer.Option(min=0, max=1_000_000, help="Number of test accounts.")] = 0,
    tokens: Annotated[
        Path | None, typer.Option(help="With --count: file for their access tokens, one per line.")
    ] = None,
) -> None:
    """Create an account, or with --count and --tokens many test accounts, without passwords unless one is given."""
    from ops import users

    if bool(count) != (tokens is not None):
        sys.exit("aisle: --count and --tokens go together: test accounts are used through their tokens")
    if count and (email or name):
        sys.exit("aisle: --email and --name are for one account, without --count")
    if not count and not (username and email):
        sys.exit("aisle: --username and --email are needed, or --count and --tokens")
    settings = _settings()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with database(settings, "users create") as url:
        try:
            if tokens is not None:
                signing = users.signing_tokens(settings)
                prefix = username or users.random_prefix()
                making = users.create_many(
                    url, count, prefix=prefix, role=role, password=password, tokens=signing, file=tokens
                )
                asyncio.run(making)
                print(
                    f"{prefix}-1 to {prefix}-{count} are created; {tokens} has their tokens, valid for an hour."
                )
            else:
                given = password if password is not None else users.random_password()
                user_id = asyncio.run(
                    users.create_user(
                        url, username=username, email=email, name=name, role=role, password=given
                    )
                )
                print(f"{username} is created, as {role}, with id {user_id}.")
                if password is None:
                    print(f"The password, shown only now: {given}")
        except users.CannotCreate as error:
            sys.exit(f"aisle: {error}")


@app.command()
def settings() -> None:
    """Show all settings with their values; secrets are not shown."""
    found = _settings()
    for field in msgspec.structs.fields(Settings):
        if field.name not in _INTERNAL:
            print(f"{field.encode_name}={_shown(field.encode_name, getattr(found, field.name))}")


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
