"""URLs of PostgreSQL, Redis and mail servers: what their libraries make of the normal form, and what is refused."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import parse_url

from runtime.addresses.mail_server import read_server
from runtime.settings import SettingError, Settings, read_settings

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
HIDDEN = "hunter2"


def read(**values: str) -> Settings:
    return read_settings({f"AISLE_{name.upper()}": value for name, value in values.items()})


def asyncpg_reads(url: str) -> tuple[list[Any], Any]:
    """Addresses and parameters as asyncpg takes them out of a URL."""
    parameters = inspect.signature(connect_utils._parse_connect_dsn_and_args).parameters
    nothing = {name: None for name in parameters if name != "dsn"}
    addresses, found = connect_utils._parse_connect_dsn_and_args(dsn=url, **nothing)
    return list(addresses), found


@pytest.fixture(autouse=True)
def _no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@given(user=TEXT, password=TEXT, database=TEXT.filter(lambda name: "/" not in name))
def test_any_user_password_and_database_arrive_as_they_were_encoded(
    user: str, password: str, database: str
) -> None:
    userinfo = f"{quote(user, safe='')}:{quote(password, safe='')}"
    url = read(database_url=f"postgresql://{userinfo}@db.example/{quote(database, safe='')}").database_url
    assert url is not None
    assert read(database_url=url).database_url == url
    addresses, parameters = asyncpg_reads(url)
    assert addresses == [("db.example", 5432)]
    assert (parameters.user, parameters.password, parameters.database) == (user, password, database)
    assert not parameters.server_settings

    redis = read(redis_url=f"redis://{userinfo}@db.example/3").redis_url
    assert redis is not None
    assert read(redis_url=redis).redis_url == redis
    found = parse_url(redis)
    assert (found["username"], found["password"], found["db"]) == (user, password, 3)

    smtp = read(smtp_url=f"smtps://{userinfo}@mail.example").smtp_url
    assert smtp is not None
    server = read_server(smtp)
    assert (server.username, server.password) == (user, password)


@given(before=st.text("#/@?%[]: aé℀\n\0ß🎭", max_size=4), after=st.text("#/@?%[]: aé℀\n\0ß🎭", max_size=4))
@pytest.mark.parametrize(
    "form",
    [
        "postgresql://ada:{}@db.example:5432/aisle",
        "postgresql://ada:{}@a.example,b.example/aisle?sslmode=require",
        "redis://:{}@db.example:6379/0",
        "smtp://ada:{}@mail.example:587",
    ],
)
def test_a_password_that_was_not_encoded_arrives_whole_or_no_piece_of_it_is_shown(
    form: str, before: str, after: str
) -> None:
    password = f"{before}{HIDDEN}{after}{HIDDEN}"
    name = {"p": "AISLE_DATABASE_URL", "r": "AISLE_REDIS_URL", "s": "AISLE_SMTP_URL"}[form[0]]
    try:
        settings = read_settings({name: form.format(password)})
    except SettingError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith(f"{name}: ")
        assert "hunter" not in refusal
        assert "\n" not in refusal
        return
    if settings.database_url is not None:
        assert asyncpg_reads(settings.database_url)[1].password == connect_utils.urllib.parse.unquote(
            password
        )
        assert asyncpg_reads(settings.database_url)[1].user == "ada"


@pytest.mark.parametrize(
    "password", ["hunt#er", "hunt/er", "hunt@er", "hunt?er", "hunt%er", "hunt er", "hunt%zzer"]
)
@pytest.mark.parametrize(
    "form",
    [
        "postgresql://ada:{}@db.example/aisle",
        "redis://ada:{}@db.example",
        "valkey://:{}@db.example",
        "smtp://ada:{}@mail.example",
    ],
)
def test_the_refusal_of_a_special_character_says_how_it_is_encoded(form: str, password: str) -> None:
    name = {"p": "AISLE_DATABASE_URL", "r": "AISLE_REDIS_URL", "v": "AISLE_REDIS_URL", "s": "AISLE_SMTP_URL"}
    with pytest.raises(SettingError, match=r"percent-encode # / @ .*%23 %2F %40") as refusal:
        read_settings({name[form[0]]: form.format(password)})
    assert "hunt" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("postgres://ada@DB.example/aisle", "postgresql://ada@db.example:5432/aisle"),
        ("postgresql+asyncpg://ada@db/aisle", "postgresql://ada@db:5432/aisle"),
        ("postgresql+psycopg2://ada@db/aisle", "postgresql://ada@db:5432/aisle"),
        ("postgresql://ada@db", "postgresql://ada@db:5432/ada"),
        ("postgresql://ada@[::1]:5433/aisle", "postgresql://ada@[::1]:5433/aisle"),
        ("postgresql://db/aisle?user=ada&password=x%40y", "postgresql://ada:x%40y@db:5432/aisle"),
        ("postgresql:///aisle?host=/run/pg", "postgresql://%2Frun%2Fpg:5432/aisle"),
        ("postgresql://ada@%2Frun%2Fpg:5433/aisle", "postgresql://ada@%2Frun%2Fpg:5433/aisle"),
        ("postgresql://ada@/?dbname=aisle&host=db&port=7", "postgresql://ada@db:7/aisle"),
        (
            "postgresql://ada@a,b:5433/aisle?target_session_attrs=primary",
            "postgresql://ada@a:5432,b:5433/aisle?target_session_attrs=primary",
        ),
        (
            "postgresql://ada@a,[::1],c/aisle",
            "postgresql://ada@a:5432,[::1]:5432,c:5432/aisle?target_session_attrs=read-write",
        ),
        (
            "postgresql://ada@/aisle?host=a,::1&port=1,2",
            "postgresql://ada@a:1,[::1]:2/aisle?target_session_attrs=read-write",
        ),
        (
            "postgresql://ada@db/aisle?sslmode=require&channel_binding=prefer&gssencmode=disable",
            "postgresql://ada@db:5432/aisle?sslmode=require",
        ),
        (
            "postgresql://ada@db/aisle?options=-c%20work_mem%3D8MB",
            "postgresql://ada@db:5432/aisle?options=-c%20work_mem%3D8MB",
        ),
    ],
)
def test_a_database_url_has_a_normal_form_that_asyncpg_takes(given: str, normal: str) -> None:
    assert read(database_url=given).database_url == normal
    assert read(database_url=normal).database_url == normal
    _, parameters = asyncpg_reads(normal)
    assert set(parameters.server_settings or ()) <= {"options"}


def test_several_hosts_are_tried_by_asyncpg_in_their_order() -> None:
    url = read(database_url="postgresql://ada:x@a,[::1]:5433,%2Frun%2Fpg/aisle").database_url
    assert url is not None
    addresses, parameters = asyncpg_reads(url)
    assert addresses == [("a", 5432), ("::1", 5433), "/run/pg/.s.PGSQL.5432"]
    assert parameters.target_session_attrs == connect_utils.SessionAttribute.read_write


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("sslmode=require&channel_binding=require", "leave out channel_binding=require"),
        ("connect_timeout=3", "leave out connect_timeout"),
        ("application_name=box", "leave out application_name"),
        ("service=venue", "leave out service"),
        ("ssl=true", "write sslmode="),
        ("sslmode=yes", "sslmode is one of disable,"),
        ("sslmode=verify-full&sslrootcert=/nowhere/root.crt", "sslrootcert names no file"),
        ("sslmode=verify-full&sslrootcert=system", "sslrootcert names a file"),
        ("sslcert=/nowhere/client.crt", "sslcert names no file"),
        ("passfile=/nowhere/pgpass", "passfile names no file"),
        ("target_session_attrs=standby", "target_session_attrs is read-write"),
        ("target_session_attrs=read-only", "target_session_attrs is read-write"),
        ("work_mem=8MB", "an option that is not known; known are options, passfile,"),
        ("hunter2=8", "an option that is not known"),
        ("sslmode", "an option is written"),
        ("sslmode=", "an option is written"),
        ("sslmode=require&sslmode=disable", "an option is there twice"),
        ("host=other", "host is there twice"),
        ("user=bob", "user is there twice"),
        ("port=70000", "a port is a number"),
    ],
)
def test_an_option_that_would_not_do_what_it_says_is_refused(option: str, says: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_DATABASE_URL: ") as refusal:
        read(database_url=f"postgresql://ada:{HIDDEN}@db/aisle?{option}")
    assert says in str(refusal.value)
    assert HIDDEN not in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [
        "jdbc:postgresql://db/aisle",
        "host=db dbname=aisle",
        "postgresql://db",
        "postgresql:///aisle",
        "postgresql://:pw@db/aisle",
        "postgresql://ada@a,,b/aisle",
        "postgresql://ada@a,/aisle",
        "postgresql://ada@db:/aisle",
        "postgresql://ada@db/aisle/extra",
        "postgresql://ada@db/aisle\n",
        "postgresql://ada:%ff@db/aisle",
        "postgresql://ada:%00@db/aisle",
    ],
)
def test_a_database_url_that_is_incomplete_or_ambiguous_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_DATABASE_URL: "):
        read(database_url=value)


def test_files_of_certificates_and_passwords_are_taken_where_they_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "pg pass"
    file.write_text("db:5432:aisle:ada:from the file\n")
    file.chmod(0o600)
    url = read(database_url=f"postgresql://ada@db/aisle?passfile={quote(os.fspath(file))}").database_url
    assert url is not None
    assert asyncpg_reads(url)[1].password == "from the file"
    file.chmod(0o640)
    with pytest.raises(SettingError, match=r"passfile .*chmod 600"):
        read(database_url=f"postgresql://ada@db/aisle?passfile={quote(os.fspath(file))}")


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("redis://Cache.example", "redis://cache.example"),
        ("valkey://ada:x@cache:7000/2", "redis://ada:x@cache:7000/2"),
        ("valkeys://cache", "rediss://cache"),
        ("redis://cache/", "redis://cache"),
        ("redis://cache?db=2", "redis://cache/2"),
        ("redis://[::1]:6379/1", "redis://[::1]:6379/1"),
        ("unix:///run/redis.sock?db=4", "unix:///run/redis.sock?db=4"),
        ("unix://ada:x@/run/redis.sock", "unix://ada:x@/run/redis.sock"),
        ("rediss://cache?ssl_cert_reqs=none", "rediss://cache?ssl_cert_reqs=none"),
    ],
)
def test_a_redis_url_has_a_normal_form(given: str, normal: str) -> None:
    assert read(redis_url=given).redis_url == normal
    assert read(redis_url=normal).redis_url == normal
    parse_url(normal)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("redis+sentinel://a,b/mymaster", "Sentinel is not supported"),
        ("redis+cluster://a", "Redis Cluster is not supported"),
        ("redis://a,b", "exactly one host"),
        ("redis:///0", "exactly one host"),
        ("redis://cache/mymaster", "the database is a number"),
        ("redis://cache/0/1", "the database is a number"),
        ("redis://cache/-1", "the database is a number"),
        ("redis://cache/1?db=2", "the database is there twice"),
        ("redis://cache?protocol=3", "an option that is not known"),
        ("redis://cache?socket_timeout=60", "an option that is not known"),
        ("redis://cache?ssl_cert_reqs=none", "an option that is not known"),
        ("rediss://cache?ssl_cert_reqs=maybe", "ssl_cert_reqs is one of none,"),
        ("rediss://cache?ssl_ca_certs=/nowhere/ca.crt", "ssl_ca_certs names no file"),
        ("unix://run/redis.sock", "three slashes"),
        ("memcached://cache", "begins with another scheme"),
        ("cache:6379", "it has no ://"),
    ],
)
def test_a_redis_url_that_would_not_do_what_it_says_is_refused(value: str, says: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_REDIS_URL: ") as refusal:
        read(redis_url=value)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("smtp://mail.example:465", "write smtps://"),
        ("smtps://mail.example:587", "write smtp:// and ?starttls=required"),
        ("smtps://mail.example:25", "write smtp:// and ?starttls=required"),
        ("smtp://mail.example?tls=1", "the options are ?starttls="),
        ("smtps://mail.example?starttls=required", "the options are ?starttls="),
        ("smtp://:pw@mail.example", "a password needs a user name"),
        ("smtp://a.example,b.example", "smtp://[user:password@]host[:port]"),
        ("smtp://ada:pw@mail.example?starttls=off", "must not go over the net in the clear"),
    ],
)
def test_a_mail_server_that_could_not_be_reached_is_refused_at_the_start(value: str, says: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_SMTP_URL: ") as refusal:
        read(smtp_url=value)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("Broker.example:9092, [::1]:9093", "broker.example:9092,[::1]:9093"),
        ("a:9092,A:9092,b:9092", "a:9092,b:9092"),
    ],
)
def test_brokers_have_a_normal_form(given: str, normal: str) -> None:
    assert read(kafka=given).kafka == normal


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("kafka://a:9092", "write a:9092"),
        ("SASL_SSL://a:9092", "write a:9092"),
        ("kafka://ada:hunter2@a:9092", "user names and passwords are not supported"),
        ("a", "write a:9092"),
        ("[::1]", r"write [::1]:9092"),
        ("::1:9092", "an IPv6 address is written [2001:db8::1]"),
        ("a:9092,,b:9092", "the host is missing"),
        ("a:9092/topic", "a port is a number"),
    ],
)
def test_brokers_in_another_spelling_are_refused_with_the_right_one(value: str, says: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_KAFKA") as refusal:
        read(kafka=value)
    assert says in str(refusal.value)
    assert "hunter" not in str(refusal.value)
