"""Missing prerequisites of tests on this machine. A script without dependencies, run by `make test`.

Exit status 1 when a prerequisite is missing and CI=true, where every test has to run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_CHECKOUT = Path(__file__).parents[1]


class Prerequisite(NamedTuple):
    """Programs that a group of tests needs."""

    tests: str
    programs: tuple[str, ...]
    remedy: str


def prerequisites(checkout: Path) -> list[Prerequisite]:
    """Returns all prerequisites. Maven downloads Kafka once per checkout and is not needed after that."""
    fetched = (checkout / ".aisle-kafka" / "jars" / "pom.sha256").exists()
    return [
        Prerequisite(
            "the tests on a real Kafka",
            ("java",) if fetched else ("java", "mvn"),
            "install Java 17 or later and Maven (Debian, Ubuntu: apt install default-jre-headless maven)",
        ),
        Prerequisite(
            "the alert rules",
            ("promtool",),
            "install Prometheus' promtool (Debian, Ubuntu: apt install --no-install-recommends prometheus)",
        ),
        Prerequisite(
            "the site in a browser",
            (os.environ.get("CHROMIUM", "chromium"),),
            "install Chromium (Debian, Ubuntu: apt install chromium), or name it in CHROMIUM",
        ),
    ]


def lacking(wanted: list[Prerequisite], which: Callable[[str], str | None] = shutil.which) -> Iterator[str]:
    """Returns one line for each group of tests that cannot run."""
    for one in wanted:
        if missing := [program for program in one.programs if which(program) is None]:
            yield f"Not tested here: {one.tests}. Missing: {', '.join(missing)}. To change that, {one.remedy}."


def main() -> int:
    """Prints the lines. Returns the exit status."""
    lines = list(lacking(prerequisites(_CHECKOUT)))
    for line in lines:
        sys.stderr.write(f"{line}\n")
    return int(bool(lines) and os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main())
