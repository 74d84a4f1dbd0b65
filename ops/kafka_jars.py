"""Fetching a real Kafka with Maven, once: deploy/kafka/pom.xml says which."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from runtime.process import CannotStart

CHECKOUT = Path(__file__).parents[1]
POM = CHECKOUT / "deploy" / "kafka" / "pom.xml"
CACHE = CHECKOUT / ".aisle-kafka"
"""Outside of any home, so that a new home does not download 43 MB again."""


def missing_program() -> str | None:
    """What has to be installed before Kafka can run here; None when nothing is missing."""
    for program in ("java", "mvn"):
        if program == "mvn" and _are_current():
            continue
        if shutil.which(program) is None:
            return f"the program {program} is missing; Kafka needs Java 17 or later and Maven"
    return None


def kafka_jars() -> Path:
    """The folder with Kafka's jars, downloaded if missing or if the pom has changed. Raises CannotStart."""
    if (missing := missing_program()) is not None:
        raise CannotStart(missing)
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _are_current():
            _download()
    return CACHE / "jars"


def _are_current() -> bool:
    try:
        return (CACHE / "jars" / "pom.sha256").read_text() == _pom_digest()
    except OSError:
        return False


def _pom_digest() -> str:
    try:
        return hashlib.sha256(POM.read_bytes()).hexdigest()
    except OSError as error:
        raise CannotStart(f"{POM}: {error.strerror}; Kafka can be started from a checkout only") from None


def _download() -> None:
    jars, fresh = CACHE / "jars", CACHE / "fresh"
    for folder in (jars, fresh):
        shutil.rmtree(folder, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={os.fspath(fresh)}"]
    maven = subprocess.run(
        ["mvn", "-q", "-B", "-f", os.fspath(POM), *goal],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if maven.returncode != 0:
        complaints = [line for line in maven.stdout.splitlines() if "ERROR" in line] or ["it said nothing"]
        raise CannotStart(f"mvn could not download Kafka: {complaints[0].strip()}")
    (fresh / "pom.sha256").write_text(_pom_digest())
    fresh.rename(jars)
