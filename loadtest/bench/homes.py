"""Homes for the benchmark's Aisles, and the settings that hold there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.bench.client import SetupError
from loadtest.bench.free_ports import free_port

KEPT = (
    "AISLE_KAFKA",
    "AISLE_WORKERS",
    "AISLE_GATEWAYS",
    "AISLE_PARTITIONS",
    "AISLE_LOG_LEVEL",
    "AISLE_MAX_IN_FLIGHT",
)
"""Settings that reach the benchmark's Aisle from outside; all others are its own."""


@contextmanager
def new_home(*, keep: bool) -> Iterator[Path]:
    """A new folder; removed at the end unless it is to be kept.

    It is made beside the code and not in a folder for temporary files, which may have no disk under it. Raises
    SetupError where that cannot be.
    """
    checkout = Path(__file__).parents[2]
    try:
        home = Path(tempfile.mkdtemp(prefix=".aisle-bench-", dir=checkout))
    except OSError as error:
        raise SetupError(
            f"{checkout}: {error.strerror}; the benchmark needs a checkout that can be written to"
        ) from None
    os.chmod(home, 0o755)  # embedded servers run as a user of their own, who has to come by
    try:
        yield home
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


def environment_of(home: Path) -> dict[str, str]:
    """The environment of an Aisle on this home, with ports that are free now."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    environment |= {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    environment |= {
        "AISLE_HOME": str(home),
        "AISLE_PORT": str(free_port(following=1)),
        "AISLE_RATE_LIMITS": "off",
    }
    return environment
