"""Keys and passwords of embedded mode: generated once and stored in the home, readable by its owner only."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import msgspec

from runtime.process import CannotStart


class Key(msgspec.Struct, frozen=True):
    """A signing key. Of several, the first signs and all verify."""

    kid: str
    alg: str
    key: str
    """base64url, without padding."""


def jwt_keys(home: Path) -> str:
    """Returns the keys of this home in the form of AISLE_JWT_KEYS, generated at the first call. Raises CannotStart."""
    return _keys(home / "keys.json", "HS256")


def ticket_keys(home: Path) -> str:
    """Returns the keys of this home in the form of AISLE_TICKET_KEYS, generated at the first call.

    Raises CannotStart.
    """
    return _keys(home / "ticket_keys.json", "EdDSA")


def _keys(path: Path, algorithm: str) -> str:
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=list[Key])
    except FileNotFoundError:
        # For both algorithms a key is 32 random bytes.
        secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
        keys = [Key(kid=secrets.token_hex(4), alg=algorithm, key=secret)]
        write_private(path, msgspec.json.format(msgspec.json.encode(keys)))
    except msgspec.DecodeError as error:
        raise CannotStart(f"{path} cannot be read: {error}; delete it to make new keys") from None
    return msgspec.json.encode(keys).decode()


def write_private(path: Path, body: bytes) -> None:
    """Writes a file atomically, readable by its owner only."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
