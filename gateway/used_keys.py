"""Ids of decided commands: whether an Idempotency-Key stands for a command already."""

from __future__ import annotations

from typing import Any
from uuid import UUID

KEY_LIFETIME_S = 48 * 3600
"""How long a key counts. The writer measures it in log time, which is near the clock's."""

_USED_SQL = """
SELECT EXISTS (SELECT 1 FROM command_ids
                WHERE command_id = $1 AND at_ms > extract(epoch FROM now()) * 1000 - $2)
"""


async def is_used(pool: Any, command_id: UUID) -> bool:
    """Whether a command with this id was decided within the lifetime of a key."""
    return bool(await pool.fetchval(_USED_SQL, command_id, KEY_LIFETIME_S * 1000))
