"""AISLE_DATABASE_URL: a normal form for asyncpg and PostgreSQL's own programs. Pure, except for checks of named files.

asyncpg passes unknown options to the server as settings; so only options that it knows are accepted.
"""

from __future__ import annotations

import os

import msgspec

from runtime.addresses.connection_url import ConnectionUrl, readable_file, split_url
from runtime.addresses.web_address import normal_host, split_port

_WANTED = "postgresql://user:password@host:port/database is wanted"
_DEFAULT_PORT = 5432

_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1.2", "TLSv1.3"),
    "target_session_attrs": ("any", "read-write", "primary"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_KNOWN = (*_CHOICES, *_FILES, "sslpassword", "options")

_NO_EFFECT = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
}
"""Options and values that request the default behaviour; they are removed."""

_UNSUPPORTED = {
    "channel_binding": "leave out channel_binding=require, which is not supported;"
    " sslmode=verify-full with sslrootcert=<file> makes sure of the server",
    "gssencmode": "leave out gssencmode; connections are encrypted with sslmode=verify-full",
    "load_balance_hosts": "leave out load_balance_hosts; hosts are tried in their order",
    "connect_timeout": "leave out connect_timeout; an attempt may take 10 s, and a start waits for 30 s",
    "application_name": "leave out application_name; each process sets a name of its own",
    "service": "leave out service; write host, port, user and database into the URL",
    "ssl": "write sslmode=require or sslmode=verify-full in place of ssl",
    "client_encoding": "leave out client_encoding; it is always UTF-8",
    "hostaddr": "write the address as the host in place of hostaddr",
    "requiressl": "write sslmode=require in place of requiressl",
    "pgbouncer": "leave out pgbouncer; a direct connection, or a pool in session mode, is needed",
}


def read_database_url(text: str) -> str:
    """Returns the normal form. Raises ValueError without any part of the URL in its message."""
    url = split_url(text)
    if url.scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(f"{_WANTED}: it begins with another scheme")
    query = dict(url.query)
    url = _with_query_parts(url, query)
    if not url.hosts:
        raise ValueError(f"{_WANTED}: the host is missing (a socket: /database?host=/var/run/postgresql)")
    database = url.path or url.user
    if not database:
        raise ValueError(f"{_WANTED}: the database is missing")
    if "/" in database:
        raise ValueError(f"{_WANTED}: the database has a slash in its name")
    if url.password is not None and url.user is None:
        raise ValueError(f"{_WANTED}: the user name is missing")
    _check(query)
    if len(url.hosts) > 1 and query.get("target_session_attrs", "any") == "any":
        # The first host that responds may be a standby, which is read-only.
        query["target_session_attrs"] = "read-write"
    hosts = tuple((host, port or _DEFAULT_PORT) for host, port in url.hosts)
    return str(msgspec.structs.replace(url, scheme="postgresql", hosts=hosts, path=database, query=query))


def one_url_per_host(url: str) -> list[str]:
    """Returns a URL in normal form once for each of its hosts."""
    parts = split_url(url)
    if len(parts.hosts) < 2:
        return [url]
    return [str(msgspec.structs.replace(parts, hosts=(host,))) for host in parts.hosts]


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Returns a URL for PostgreSQL's own programs, and an environment with its password."""
    parts = split_url(url)
    environment = {} if parts.password is None else {"PGPASSWORD": parts.password}
    return str(msgspec.structs.replace(parts, password=None)), environment


def redacted(url: str) -> str:
    """Returns a URL without its password and options, for messages."""
    try:
        return split_url(url).without_secrets()
    except ValueError:
        return "the database"


def _with_query_parts(url: ConnectionUrl, query: dict[str, str]) -> ConnectionUrl:
    """Moves user, password, hosts, ports and database out of the query, where PostgreSQL also accepts them."""
    changes: dict[str, object] = {}
    for name, field in (("user", "user"), ("password", "password"), ("dbname", "path"), ("database", "path")):
        if name in query:
            if getattr(url, field) or field in changes:
                raise ValueError(f"{name} is there twice: before the ? and as an option")
            changes[field] = query.pop(name)
    ports = query.pop("port", None)
    if "host" in query:
        if url.hosts:
            raise ValueError("host is there twice: before the ? and as an option")
        hosts = tuple(_host(part) for part in query.pop("host").split(","))
    else:
        hosts = url.hosts
    if ports is not None:
        given = ports.split(",")
        if len(given) == 1:
            given *= len(hosts)
        if len(given) != len(hosts) or any(port for _, port in hosts):
            raise ValueError("port is one for all hosts or one for each, and there once")
        hosts = tuple(
            (host, split_port(f"localhost:{port}")[1]) for (host, _), port in zip(hosts, given, strict=True)
        )
    return msgspec.structs.replace(url, hosts=hosts, **changes)


def _host(text: str) -> tuple[str, int | None]:
    if text.startswith("/"):
        return text, None
    if text.count(":") > 1 and not text.startswith("["):
        return normal_host(text), None
    return split_port(text)


def _check(query: dict[str, str]) -> None:
    for name, value in list(query.items()):
        if value in _NO_EFFECT.get(name, ()):
            del query[name]
        elif name in _UNSUPPORTED:
            raise ValueError(_UNSUPPORTED[name])
        elif name not in _KNOWN:
            # Not named: after a ? in a password this is a piece of it.
            raise ValueError(f"it has an option that is not known; known are {', '.join(sorted(_KNOWN))}")
        elif name == "sslrootcert" and value == "system":
            raise ValueError("sslrootcert names a file, such as /etc/ssl/certs/ca-certificates.crt")
        elif name in _FILES:
            readable_file(name, value)
            if name == "passfile" and os.stat(value).st_mode & 0o077:
                raise ValueError("passfile is only used when nobody but its owner may read it: chmod 600")
        elif name == "target_session_attrs" and value not in _CHOICES[name]:
            raise ValueError("target_session_attrs is read-write or primary: bookings are written")
        elif name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(_CHOICES[name])}")
