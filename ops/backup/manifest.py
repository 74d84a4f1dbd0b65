"""The manifest of a backup: what the folder holds, checked before anything is restored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from runtime.log import LogIdentity
from runtime.process import CannotStart

FORMAT = 1
MANIFEST = "backup.json"
DUMP = "database.dump"
HOME_FILES = ("keys.json", "ticket_keys.json", "credentials.json")
"""Files of the home that are part of a backup where they exist."""

_BLOCK = 2**20


class BackupError(CannotStart):
    """A backup that cannot be made or restored. The message says why and what to do; nothing was changed."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a backup. `sha256` is in hex."""

    name: str
    bytes: int
    sha256: str


class PartitionState(msgspec.Struct, frozen=True):
    """A partition in the backup: its commands before `next_offset` are decided."""

    partition: int
    next_offset: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a complete backup; written last."""

    format: int
    made_at: datetime
    migration: str
    """The last migration of the database."""
    log: LogIdentity
    partitions: list[PartitionState]
    files: list[StoredFile]

    @property
    def next_offsets(self) -> dict[int, int]:
        return {state.partition: state.next_offset for state in self.partitions}


def describe_files(folder: Path, names: Iterable[str]) -> list[StoredFile]:
    """Returns those of the named files that exist, with their checksums."""
    return [_described(folder / name) for name in names if (folder / name).exists()]


def read_manifest(folder: Path) -> Manifest:
    """Returns the manifest of a backup whose files are complete. Raises BackupError."""
    try:
        body = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(
            f"{folder} is not a complete backup: it has no {MANIFEST}, which `aisle backup` writes last"
        ) from None
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read: {error}; use another backup") from None
    if manifest.format > FORMAT:
        raise BackupError(f"{folder} was made by a later release: restore it with that release")
    for stored in manifest.files:
        path = folder / stored.name
        if Path(stored.name).name != stored.name or not path.is_file() or _described(path) != stored:
            raise BackupError(
                f"{path} is missing, cut short or changed since the backup was made; use another backup"
            )
    if not any(stored.name == DUMP for stored in manifest.files):
        raise BackupError(f"{folder} has no {DUMP}; use another backup")
    return manifest


def _described(path: Path) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return StoredFile(path.name, size, digest.hexdigest())
