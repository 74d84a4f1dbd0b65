"""Settings: read once, at the start of a process, from environment variables into one frozen struct.

An invalid value stops the process with a line that names it; no value is guessed or clamped. In embedded mode
`aisle up` sets the addresses of its own servers before it starts the other processes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from runtime.addresses.database_url import read_database_url
from runtime.addresses.mail_server import read_mail_server_url
from runtime.addresses.redis_url import read_redis_url
from runtime.addresses.sender_address import read_sender
from runtime.addresses.web_address import bracketed, normal_host, read_origin, read_public_url, split_port
from runtime.password_rules import read_password
from schemas.currencies import CURRENCY_WANTED, is_currency
from schemas.zones import ZONE_WANTED, portable_zones

T = TypeVar("T")


SECRET = frozenset(
    {
        "AISLE_DATABASE_URL",
        "AISLE_REDIS_URL",
        "AISLE_SMTP_URL",
        "AISLE_JWT_KEYS",
        "AISLE_TICKET_KEYS",
        "AISLE_ADMIN_PASSWORD",
        "AISLE_STAFF_PASSWORD",
    }
)
"""Settings whose value is or may contain a password or a key: never shown."""


_SHOWN = 100
"""Number of characters of an invalid value that its message repeats."""


class SettingError(Exception):
    """An invalid setting. The message names it and the valid values."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, validated. Times are in seconds, sizes are numbers of items."""

    home: Path
    host: str
    port: int
    metrics_port: int
    database_url: str | None
    """None: the embedded server of `aisle up`."""
    redis_url: str | None
    kafka: str | None
    """`host:port,…`; None: the log is in PostgreSQL."""
    partitions: int
    smtp_url: str | None
    mail_from: str
    jwt_keys: str | None
    ticket_keys: str | None
    sample_data: bool
    """Counts at the first start of a database, which stores it."""
    admin_password: str | None
    staff_password: str | None
    public_url: str
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    timezone: str
    currency: str
    rate_limits: bool
    rate_limit_address: int
    """Requests per second; the burst is five times as large."""
    rate_limit_customer: int
    """Booking requests per second; the burst is two and a half times as large."""
    rate_limit_accounts: int
    """Sign-ups, log-ins and similar requests per minute and address; the burst is twice as large."""
    rate_limit_logins: int
    """Failed log-ins and similar requests per minute and account; the burst is as large."""
    max_in_flight: int
    max_in_flight_show: int
    max_in_flight_customer: int
    log_level: str
    workers: int
    gateways: int
    listen_fd: int | None
    """The listening socket inherited from the supervisor."""
    supervisor: int | None
    """Process id of the supervisor; this process ends with it. Set by the supervisor, like `process`."""
    process: str | None
    """Name of this process, such as `gateway-2`; a field of its logs."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Returns the settings in `environ`. Raises SettingError for the first invalid or unknown one."""
    env = {name: value for name, value in environ.items() if name.startswith("AISLE_") and value != ""}

    def take(name: str, read: Callable[[str], T], default: T) -> T:
        value = env.pop(name, None)
        if value is None:
            return default
        try:
            return read(value)
        except ValueError as error:
            # A value with an @ may contain a password, even in a setting without one.
            hidden = name in SECRET or ("@" in value and name != "AISLE_MAIL_FROM")
            given = name if hidden else f"{name}={value[:_SHOWN]!r}"
            raise SettingError(f"{given}: {error}") from None

    database_url = take("AISLE_DATABASE_URL", read_database_url, None)
    host = take("AISLE_HOST", _host, "127.0.0.1")
    port = take("AISLE_PORT", _number(1, 65535), 8080)
    settings = Settings(
        home=take("AISLE_HOME", _folder, Path(".aisle")).absolute(),
        host=host,
        port=port,
        metrics_port=take("AISLE_METRICS_PORT", _metrics_port(port), port + 1),
        database_url=database_url,
        redis_url=take("AISLE_REDIS_URL", read_redis_url, None),
        kafka=take("AISLE_KAFKA", _bootstrap, None),
        partitions=take("AISLE_PARTITIONS", _number(1, 4096), 8),
        smtp_url=take("AISLE_SMTP_URL", read_mail_server_url, None),
        mail_from=take("AISLE_MAIL_FROM", read_sender, "Aisle <tickets@aisle.example>"),
        jwt_keys=take("AISLE_JWT_KEYS", str, None),
        ticket_keys=take("AISLE_TICKET_KEYS", str, None),
        sample_data=take("AISLE_SAMPLE_DATA", _choice("on", "off"), "off" if database_url else "on") == "on",
        admin_password=take("AISLE_ADMIN_PASSWORD", _password_of("admin"), None),
        staff_password=take("AISLE_STAFF_PASSWORD", _password_of("staff"), None),
        public_url=take("AISLE_PUBLIC_URL", read_public_url, _own_url(host, port)),
        cors_origins=take("AISLE_CORS_ORIGINS", _list(read_origin), ()),
        trusted_proxies=take("AISLE_TRUSTED_PROXIES", _list(_network), ()),
        timezone=take("AISLE_TIMEZONE", _timezone, "UTC"),
        currency=take("AISLE_CURRENCY", _currency, "EUR"),
        rate_limits=take("AISLE_RATE_LIMITS", _choice("on", "off"), "on") == "on",
        rate_limit_address=take("AISLE_RATE_LIMIT_ADDRESS", _number(1, 1_000_000), 500),
        rate_limit_customer=take("AISLE_RATE_LIMIT_CUSTOMER", _number(1, 1_000_000), 100),
        rate_limit_accounts=take("AISLE_RATE_LIMIT_ACCOUNTS", _number(1, 1_000_000), 120),
        rate_limit_logins=take("AISLE_RATE_LIMIT_LOGINS", _number(1, 1_000_000), 10),
        max_in_flight=take("AISLE_MAX_IN_FLIGHT", _number(1, 1_000_000), 20_000),
        max_in_flight_show=take("AISLE_MAX_IN_FLIGHT_SHOW", _number(1, 1_000_000), 5_000),
        max_in_flight_customer=take("AISLE_MAX_IN_FLIGHT_CUSTOMER", _number(1, 1_000_000), 100),
        log_level=take("AISLE_LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info"),
        workers=take("AISLE_WORKERS", _number(1, 64), 1),
        gateways=take("AISLE_GATEWAYS", _number(1, 64), 1),
        listen_fd=take("AISLE_LISTEN_FD", _number(3, 65535), None),
        supervisor=take("AISLE_SUPERVISED", _number(1, 2**31 - 1), None),
        process=take("AISLE_PROCESS", str, None),
    )
    if settings.metrics_port > 65535:
        raise SettingError(
            f"AISLE_PORT={port}: there is no port after it for AISLE_METRICS_PORT; set that, too"
        )
    if env:
        raise SettingError(f"{min(env)}: there is no such setting; see docs/operations.md for the list")
    return settings


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and low <= int(value) <= high):
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return int(value)

    return read


def _choice(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted")
        return value

    return read


def _host(value: str) -> str:
    try:
        return normal_host(value)
    except ValueError as error:
        raise ValueError(
            f"an IP address or a name of this machine is wanted, without a port: {error}"
        ) from None


def _folder(value: str) -> Path:
    path = Path(value)
    try:
        other = path.exists() and not path.is_dir()
    except OSError as error:
        raise ValueError(f"{error.strerror}; set AISLE_HOME to another folder") from None
    if other:
        raise ValueError("this is not a folder; set AISLE_HOME to another")
    return path


def _metrics_port(port: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if (found := _number(1, 65535)(value)) == port:
            raise ValueError("this is AISLE_PORT; metrics need a port of their own")
        return found

    return read


def _list(read_one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def read(value: str) -> tuple[T, ...]:
        found = (read_one(part.strip()) for part in value.split(",") if part.strip())
        return tuple(dict.fromkeys(found))

    return read


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("networks or addresses such as 10.0.0.0/8,::1 are wanted") from None
    if "/" in value and ipaddress.ip_address(value.partition("/")[0]) != network.network_address:
        raise ValueError(f"{value} is an address within a network: write {network}")
    return network


def _bootstrap(value: str) -> str:
    wanted = "host:port is wanted, several separated by commas"
    if "@" in value:
        raise ValueError(f"{wanted}; user names and passwords are not supported")
    servers = []
    for server in value.split(","):
        if "://" in server:
            raise ValueError(f"{wanted}: write {server.partition('://')[2].strip(' /') or 'localhost:9092'}")
        try:
            host, port = split_port(server.strip())
        except ValueError as error:
            raise ValueError(f"{wanted}: {error}") from None
        if port is None:
            raise ValueError(f"{wanted}: the port is missing, write {bracketed(host)}:9092")
        servers.append(f"{bracketed(host)}:{port}")
    return ",".join(dict.fromkeys(servers))


def _password_of(username: str) -> Callable[[str], str]:
    return lambda value: read_password(value, username, f"{username}@aisle.example")


def _timezone(value: str) -> str:
    if value not in portable_zones():
        raise ValueError(ZONE_WANTED)
    return value


def _currency(value: str) -> str:
    if not is_currency(value):
        raise ValueError(CURRENCY_WANTED)
    return value


def _own_url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{bracketed(shown)}:{port}"
