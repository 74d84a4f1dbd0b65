"""Generated passwords of the first start: shown once and stored in the home."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog

from ops.local.keys import write_private
from ops.sample.data import SampleData
from runtime.settings import Settings

_log = structlog.get_logger()

Logins: TypeAlias = list[tuple[str, str]]
"""User names, each with its password or the place where it is stored."""


def staff_logins(settings: Settings, sample_data: SampleData) -> Logins:
    """Returns the logins of staff and admin for display.

    Newly generated passwords are stored in the home, and later starts return the path of that file.
    """
    path = settings.home / "credentials.json"
    made = {
        "staff": None if settings.staff_password else sample_data.staff_password,
        "admin": None if settings.admin_password else sample_data.admin_password,
    }
    known = _known(path) | {name: password for name, password in made.items() if password is not None}
    if known != _known(path):
        try:
            write_private(path, msgspec.json.format(msgspec.json.encode(known)))
        except OSError as error:  # outside of embedded mode there may be no home: they are shown only now
            _log.warning("passwords_not_stored", file=str(path), error=error.strerror)
    return [(name, _shown(name, made[name], path)) for name in made if name in sample_data.users]


def _shown(name: str, made: str | None, path: Path) -> str:
    if made is not None:
        return made
    return f"see {path}" if name in _known(path) else "the password of its first start"


def first_admin(settings: Settings, password: str) -> str:
    """The password of the user `admin`, made just now without sample data, to be shown."""
    made = SampleData(False, frozenset({"admin"}), password, None, None, ())
    [(_, shown)] = staff_logins(settings, made)
    return shown


def _known(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
