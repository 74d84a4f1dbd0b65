"""Homes for the instances of the benchmark, and their settings."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.client import SetupError
from loadtest.free_ports import free_port

KEPT = (
    "AISLE_KAFKA",
    "AISLE_WORKERS",
    "AISLE_GATEWAYS",
    "AISLE_PARTITIONS",
    "AISLE_LOG_LEVEL",
    "AISLE_MAX_IN_FLIGHT",
)
"""Settings that are taken from the environment; all others are set by the benchmark."""


@contextmanager
def new_home(*, keep: bool) -> Iterator[Path]:
    """Makes a new folder, and removes it at the end unless `keep`.

    It is made in the checkout: a folder for temporary files may be in memory. Raises SetupError where the checkout
    is not writable.
    """
    checkout = Path(__file__).parents[2]
    try:
        home = Path(tempfile.mkdtemp(prefix=".aisle-bench-", dir=checkout))
    except OSError as error:
        raise SetupError(f"{checkout}: {error.strerror}; the benchmark needs a writable checkout") from None
    os.chmod(home, 0o755)  # embedded servers run as another user
    try:
        yield home
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


def environment_of(home: Path) -> dict[str, str]:
    """Environment variables for an instance on this home, with free ports."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    environment |= {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    environment |= {
        "AISLE_HOME": str(home),
        "AISLE_PORT": str(free_port(following=1)),
        "AISLE_RATE_LIMITS": "off",
    }
    return environment
