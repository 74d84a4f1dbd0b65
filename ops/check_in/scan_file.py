"""Files of late scans: JSON objects, one on each line or in one list."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from gateway.catalogue.days import to_ms
from runtime.process import CannotStart
from schemas.api_check_in import Gate, Nonce, TokenText
from schemas.ids import ShowId
from schemas.text import WORDS

MAX_BYTES = 64 * 1024 * 1024
MAX_SCANS = 100_000


class LateScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scan that its device made without a connection."""

    token: TokenText
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    """When, by the clock of the device."""
    device: Annotated[str, msgspec.Meta(max_length=64)] = ""
    gate: Gate | None = None
    nonce: Nonce | None = None
    """The nonce of the scan, where the device has tried to send it. Otherwise device and time name it."""
    show_id: ShowId | None = None

    @property
    def at_ms(self) -> int:
        return to_ms(self.at.astimezone(UTC))

    @property
    def name(self) -> str:
        """What names the scan beside its ticket, so that a file can be sent again."""
        return self.nonce if self.nonce is not None else f"{self.device} {self.at_ms}"


def read_scans(path: Path) -> list[tuple[int, LateScan]]:
    """The scans of a file, `-` for standard input, each with its number, in the order of the file.

    Raises CannotStart for a file that cannot be read or is not of this form.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if str(path) == "-":
        body = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with path.open("rb") as file:
                body = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise CannotStart(f"{name}: {error.strerror}") from None
    if len(body) > MAX_BYTES:
        raise CannotStart(f"{name}: more than {MAX_BYTES // 2**20} MB; divide it")
    found = [(number, _scan(name, where, raw)) for number, where, raw in _raw_scans(name, body)]
    if len(found) > MAX_SCANS:
        raise CannotStart(f"{name}: more than {MAX_SCANS} scans; divide it")
    return found


def _raw_scans(name: str, body: bytes) -> list[tuple[int, str, Any]]:
    """The scans with their numbers, and where each stands."""
    if body.lstrip()[:1] == b"[":
        items = _json(name, body)
        return [(n, f"scan {n}", item) for n, item in enumerate(items, 1)]
    lines = [(n, line) for n, line in enumerate(body.splitlines(), 1) if line.strip()]
    return [(n, f"line {n}", _json(f"{name}, line {n}", line)) for n, line in lines]


def _json(where: str, body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CannotStart(f"{where}: JSON objects are wanted, one on each line or in one list") from None


def _scan(name: str, where: str, raw: Any) -> LateScan:
    try:
        scan = msgspec.convert(raw, LateScan)
        if not 1990 <= scan.at.year < 2200:
            raise msgspec.ValidationError("a time from 1990 to 2199 is wanted - at `$.at`")
        return scan
    except msgspec.ValidationError as error:
        raise CannotStart(f"{name}, {where}: {_in_words(str(error))}") from None


def _in_words(message: str) -> str:
    """The message of msgspec with words instead of patterns, and the field in front."""
    what, _, path = message.partition(" - at `$.")
    field = path.removesuffix("`")
    for pattern, words in WORDS.items():
        if repr(pattern) in what:
            what = words
    return f"{field}: {what}" if field else what
