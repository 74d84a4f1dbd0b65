"""The database of a command: the configured one, the running one of the home, or one started for the command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.home import HomeInUse, lock_home
from runtime.process import CannotStart
from runtime.settings import Settings

_STARTING_S = 15.0


@contextmanager
def database(settings: Settings, command: str, *, create: bool = False) -> Iterator[str]:
    """Yields the URL of a database that is available within the block. Raises CannotStart.

    `create` creates the embedded database if it is missing.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    postgres = EmbeddedPostgres(settings.home)
    if not create and not postgres.data.exists():
        raise CannotStart(f"AISLE_HOME={settings.home}: there is no database here yet; `aisle up` makes one")
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_home(settings.home, f"`aisle {command}`"))
        except HomeInUse:
            deadline = time.monotonic() + _STARTING_S
            while not postgres.is_ready():
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        else:
            stack.enter_context(run_servers(postgres))
        yield postgres.url
