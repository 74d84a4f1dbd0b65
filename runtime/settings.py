"""Settings: read once, at the start of a process, from environment variables into one frozen struct.

An invalid value stops the process with a line that names it; no value is guessed or clamped. In embedded mode
`aisle up` sets the addresses of its own servers before it starts the other processes.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, field
from msgspec.structs import FieldInfo

from runtime.addresses.database_url import read_database_url
from runtime.addresses.mail_server import read_mail_server_url
from runtime.addresses.redis_url import read_redis_url
from runtime.addresses.sender_address import read_sender
from runtime.addresses.web_address import (
    bracketed,
    normal_host,
    read_collector_url,
    read_origin,
    read_public_url,
    split_port,
)
from runtime.password_rules import read_password
from runtime.reminder_leads import normal_leads
from runtime.retention_period import read_retention, write_retention
from schemas.currencies import CURRENCY_WANTED, is_currency
from schemas.ids import MAX_PARTITIONS
from schemas.zones import ZONE_WANTED, portable_zones

T = TypeVar("T")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SHOWN = 100
"""Number of characters of an invalid value that its message repeats."""


class SettingError(Exception):
    """An invalid setting. The message names it and the valid values."""


_SECRET = Meta(extra={"secret": True})
"""The value is or may contain a password or a key: never shown."""


def _number(low: int, high: int) -> Meta:
    return Meta(ge=low, le=high, description=f"a whole number from {low} to {high}")


def _choice(*choices: str) -> Meta:
    return Meta(pattern=rf"\A({'|'.join(choices)})\Z", description=f"one of {', '.join(choices)}")


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename=lambda attribute: f"AISLE_{attribute.upper()}"
):
    """All settings, validated: each with its type, its bounds or the function that reads it, and its default.

    Times are in seconds, sizes are numbers of items.
    """

    home: Annotated[Path, _folder] = Path(".aisle")
    host: Annotated[str, _host] = "127.0.0.1"
    port: Annotated[int, _number(1, 65535)] = 8080
    metrics_port: Annotated[int, _number(1, 65535)]
    """Default: the port after `port`."""
    database_url: Annotated[str | None, _SECRET, read_database_url] = None
    """None: the embedded server of `aisle up`."""
    redis_url: Annotated[str | None, _SECRET, read_redis_url] = None
    kafka: Annotated[str | None, _bootstrap] = None
    """`host:port,…`; None: the log is in PostgreSQL."""
    partitions: Annotated[int, _number(1, MAX_PARTITIONS)] = 8
    group_instance: Annotated[str | None, _group_instance] = None
    """Name of this seat worker in Kafka's consumer group (`group.instance.id`), which no other process has."""
    smtp_url: Annotated[str | None, _SECRET, read_mail_server_url] = None
    mail_from: Annotated[str, read_sender] = "Aisle <tickets@aisle.example>"
    mail_reply_to: Annotated[str | None, read_sender] = None
    """Where answers to e-mails go; None: to `mail_from`."""
    reminders: Annotated[str, normal_leads] = "24h,2h"
    """Times before the start of a show at which its customers are reminded, or `off`."""
    jwt_keys: Annotated[str | None, _SECRET] = None
    ticket_keys: Annotated[str | None, _SECRET] = None
    ticket_layout: Annotated[Literal["a6", "a4", "booking"], _ticket_layout] = "a6"
    ticket_design: Annotated[Path | None, _existing_folder] = None
    """Folder with a logo, colours, fonts or a template of the venue; see docs/tickets.md."""
    sample_data: Annotated[bool, _switch]
    """Counts at the first start of a database, which stores it. Default: on with an embedded database only."""
    admin_password: Annotated[str | None, _SECRET, _password_of("admin")] = None
    staff_password: Annotated[str | None, _SECRET, _password_of("staff")] = None
    public_url: Annotated[str, read_public_url]
    """Default: `host` and `port`, in a form that a browser can open."""
    cors_origins: Annotated[tuple[str, ...], _list(read_origin)] = ()
    trusted_proxies: Annotated[tuple[_Network, ...], _list(_network)] = ()
    webhook_private_networks: Annotated[tuple[_Network, ...], _list(_network)] = ()
    """Private networks that webhooks may have addresses in."""
    timezone: Annotated[str, _timezone] = "UTC"
    currency: Annotated[str, _currency] = "EUR"
    rate_limits: Annotated[bool, _switch] = True
    rate_limit_address: Annotated[int, _number(1, 1_000_000)] = 500
    """Requests per second; the burst is five times as large."""
    rate_limit_customer: Annotated[int, _number(1, 1_000_000)] = 100
    """Booking requests per second; the burst is two and a half times as large."""
    rate_limit_accounts: Annotated[int, _number(1, 1_000_000)] = 120
    """Sign-ups, log-ins and similar requests per minute and address; the burst is twice as large."""
    rate_limit_logins: Annotated[int, _number(1, 1_000_000)] = 10
    """Failed log-ins and similar requests per minute and account; the burst is as large."""
    max_in_flight: Annotated[int, _number(1, 1_000_000)] = 20_000
    max_in_flight_show: Annotated[int, _number(1, 1_000_000)] = 5_000
    max_in_flight_customer: Annotated[int, _number(1, 1_000_000)] = 100
    keep: Annotated[str | None, _retention] = None
    """Retention period of the log and the decisions, such as `90d`; None: everything is kept."""
    keep_reports: Annotated[str | None, _retention] = None
    """Retention period of figures by customer and day, where `keep` is set; None: they are kept."""
    trace_url: Annotated[str | None, read_collector_url] = None
    """Address of a collector of OpenTelemetry, over HTTP; None: no traces."""
    trace_ratio: Annotated[float, _fraction] = 0.01
    """Part of the requests that are traced."""
    log_level: Annotated[str, _choice("debug", "info", "warning", "error")] = "info"
    workers: Annotated[int, _number(1, 64)] = 1
    gateways: Annotated[int, _number(1, 64)] = 1
    listen_fd: Annotated[int, _number(3, 65535)] | None = None
    """The listening socket inherited from the supervisor."""
    handover_fd: Annotated[int, _number(3, 65535)] | None = None
    """A seat worker's end of a pair of sockets, see runtime/handover.py. Set by the supervisor, like the next one."""
    predecessor_fd: Annotated[int, _number(3, 65535)] | None = None
    """The other end of the predecessor's pair: this process is its successor."""
    supervisor: Annotated[int, _number(1, 2**31 - 1)] | None = field(default=None, name="AISLE_SUPERVISED")
    """Process id of the supervisor; this process ends with it. Set by the supervisor, like `process`."""
    process: str | None = None
    """Name of this process, such as `gateway-2`; a field of its logs."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Returns the settings in `environ`. Raises SettingError for the first invalid or unknown one."""
    env = {name: value for name, value in environ.items() if name.startswith("AISLE_") and value != ""}
    found: dict[str, Any] = {setting.name: setting.default for setting in _FIELDS if not setting.required}
    for setting in _FIELDS:
        if (value := env.pop(setting.encode_name, None)) is not None:
            found[setting.name] = _read(setting, value)
    host, port = found["host"], found["port"]
    found.setdefault("metrics_port", port + 1)
    found.setdefault("sample_data", found["database_url"] is None)
    found.setdefault("public_url", _own_url(host, port))
    settings = Settings(**found | {"home": found["home"].absolute()})
    if settings.metrics_port == port:
        raise SettingError(
            f"AISLE_METRICS_PORT='{port}': this is AISLE_PORT; metrics need a port of their own"
        )
    if settings.metrics_port > 65535:
        raise SettingError(
            f"AISLE_PORT={port}: there is no port after it for AISLE_METRICS_PORT; set that, too"
        )
    if env:
        raise SettingError(f"{min(env)}: there is no such setting; see docs/settings.md for the list")
    return settings


def _read(setting: FieldInfo, value: str) -> Any:
    """Reads a value by the function annotated on its setting, or else by msgspec. Raises SettingError."""
    notes = _annotations(setting)
    read = next(filter(callable, notes), None)
    try:
        return read(value) if read else msgspec.convert(value, setting.type, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        wanted = str(error) if read else f"{notes[0].description} is wanted"
    # A value with an @ may contain a password, even in a setting without one.
    name = setting.encode_name
    hidden = name in SECRET or ("@" in value and name not in ("AISLE_MAIL_FROM", "AISLE_MAIL_REPLY_TO"))
    given = name if hidden else f"{name}={value[:_SHOWN]!r}"
    raise SettingError(f"{given}: {wanted}")


def _annotations(setting: FieldInfo) -> list[Any]:
    """What is annotated on the type of a setting, or on the type that it has beside None."""
    kinds = (setting.type, *get_args(setting.type))
    return [note for kind in kinds for note in getattr(kind, "__metadata__", ())]


def _switch(value: str) -> bool:
    if value not in ("on", "off"):
        raise ValueError("one of on, off is wanted")
    return value == "on"


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


def _ticket_layout(value: str) -> str:
    if value not in ("a6", "a4", "booking"):
        raise ValueError("one of a6, a4, booking is wanted")
    return value


def _existing_folder(value: str) -> Path:
    path = Path(value).absolute()
    try:
        if path.is_dir():
            return path
    except OSError as error:
        raise ValueError(error.strerror) from None
    raise ValueError("a folder is wanted, which this is not")


def _fraction(value: str) -> float:
    number = float(value) if re.fullmatch(r"[0-9]*\.?[0-9]+", value, re.ASCII) else math.inf
    if not 0 <= number <= 1:
        raise ValueError("a number from 0 to 1 is wanted, such as 0.01")
    return number


def _list(read_one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def read(value: str) -> tuple[T, ...]:
        found = (read_one(part.strip()) for part in value.split(",") if part.strip())
        return tuple(dict.fromkeys(found))

    return read


def _network(value: str) -> _Network:
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


def _group_instance(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", value) or value in (".", ".."):
        raise ValueError(
            "a name of letters, digits, dots, hyphens and underscores is wanted, such as seat-worker-1"
        )
    return value


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


def _retention(value: str) -> str:
    return write_retention(read_retention(value))


def _own_url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{bracketed(shown)}:{port}"


_FIELDS = msgspec.structs.fields(Settings)

SECRET = frozenset(setting.encode_name for setting in _FIELDS if _SECRET in _annotations(setting))
"""Names of the settings that are never shown."""
