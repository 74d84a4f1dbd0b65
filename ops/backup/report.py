"""The lines that `aisle backup` and `aisle restore` print."""

from __future__ import annotations

import shlex
from pathlib import Path

from ops.backup.manifest import Manifest
from ops.backup.restore import Restored
from runtime.settings import Settings


def backup_lines(manifest: Manifest, folder: Path) -> list[str]:
    """What was backed up, and what is not part of it."""
    size = sum(stored.bytes for stored in manifest.files)
    decided = sum(manifest.next_offsets.values())
    lines = [
        f"{folder} has the database as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {_size(size)}:"
        f" {decided:,} decided commands in {len(manifest.partitions)} partitions.",
        f"`aisle restore {shlex.quote(str(folder))}` restores it into a new home or an empty database.",
    ]
    if manifest.log.kind == "kafka":
        lines.append(
            "The log is in Kafka and is not part of it: a restore decides again what Kafka has beyond these offsets."
        )
    if not any(stored.name == "keys.json" for stored in manifest.files):
        lines.append(
            "Keys are not part of it: keep AISLE_JWT_KEYS and AISLE_TICKET_KEYS with it, or every login ends and every"
            " ticket becomes invalid."
        )
    return lines


def restore_lines(restored: Restored, settings: Settings) -> list[str]:
    """What was restored, and what comes next."""
    manifest, recovered = restored.manifest, restored.recovered
    where = "the database" if settings.database_url else f"AISLE_HOME={settings.home}"
    lines = [f"The backup of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC is restored into {where}."]
    if manifest.log.kind == "kafka":
        lines.append(
            f"The log has {recovered.commands:,} commands that it had not: they are decided once seat workers run."
            f" {recovered.shows:,} shows are in the catalogue again."
        )
    if recovered.first_new_user is not None:
        lines.append(
            "Accounts made since the backup are lost; their bookings stay without a name."
            f" New accounts have ids from {recovered.first_new_user:,} on."
        )
    start = (
        "start Aisle" if settings.database_url else f"`AISLE_HOME={shlex.quote(str(settings.home))} aisle up`"
    )
    lines.append(f"Next: {start}, then `aisle verify`.")
    return lines


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"
