"""AISLE_REDIS_URL: a normal form for redis-py. Pure, except for checks of named files.

redis-py ignores a database that is not a number, and options can replace the limits of our connections; so only
options with a known effect are accepted.
"""

from __future__ import annotations

import msgspec

from runtime.addresses.connection_url import readable_file, split_url

_WANTED = "redis://user:password@host:port/0, rediss://… or unix:///path?db=0 is wanted"
_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CHOICES = {"ssl_cert_reqs": ("none", "optional", "required"), "ssl_check_hostname": ("true", "false")}


def read_redis_url(text: str) -> str:
    """Returns the normal form. Raises ValueError without any part of the URL in its message."""
    url = split_url(text)
    if "sentinel" in url.scheme:
        raise ValueError(
            "Sentinel is not supported: name the master, or a proxy that leads to it, as redis://host:port"
        )
    if "cluster" in url.scheme:
        raise ValueError("Redis Cluster is not supported: name one server, as redis://host:port")
    if (scheme := _SCHEMES.get(url.scheme)) is None:
        raise ValueError(f"{_WANTED}: it begins with another scheme")
    query = dict(url.query)
    database = query.pop("db", None)
    if scheme == "unix":
        if url.hosts or not url.path:
            raise ValueError("unix:///path?db=0 is wanted, with three slashes")
        path = url.path
    else:
        if len(url.hosts) != 1 or url.hosts[0][0].startswith("/"):
            raise ValueError(f"{_WANTED}, with exactly one host")
        if url.path and database is not None:
            raise ValueError("the database is there twice: as a path and as db")
        database = url.path.removesuffix("/") or database
        path = ""
    if database is not None and not (database.isascii() and database.isdigit() and len(database) <= 5):
        raise ValueError("the database is a number, such as redis://host:6379/0")
    _check(query, tls=scheme == "rediss")
    number = int(database or 0)
    if number:
        path, query = (path, {"db": str(number), **query}) if scheme == "unix" else (str(number), query)
    return str(msgspec.structs.replace(url, scheme=scheme, path=path, query=query))


def _check(query: dict[str, str], *, tls: bool) -> None:
    for name, value in query.items():
        if name not in (*_FILES, *_CHOICES) or not tls:
            known = f"db, and with rediss:// {', '.join(sorted((*_FILES, *_CHOICES)))}"
            raise ValueError(f"it has an option that is not known; known are {known}")
        if name in _FILES:
            readable_file(name, value)
        elif value not in _CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(_CHOICES[name])}")
