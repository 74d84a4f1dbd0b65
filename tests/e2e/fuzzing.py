"""Generated requests from the OpenAPI document, valid and invalid: `python -m tests.e2e.fuzzing --cases 500`.

A new instance gets requests without a token, of a customer and of an admin. No response may be a 5xx, and each
must be documented: the `default` response does not count here, except for the few problems of every call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.running import RunningAisle

CONFIG = Path(__file__).with_name("schemathesis.toml")
ANYWHERE = ("405", "406", "408", "414", "431", "501")
ROLES = ("nobody", "customer", "admin")


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document without `default`."""
    for item in document["paths"].values():
        for operation in item.values():
            problem = operation["responses"].pop("default")
            operation["responses"] = dict.fromkeys(ANYWHERE, problem) | operation["responses"]
    return document


async def prepare(aisle: RunningAisle) -> dict[str, str]:
    """Writes the document beside the home and creates accounts; returns the headers of each role."""
    tokens = {}
    async with httpx.AsyncClient(base_url=aisle.url, timeout=20) as client:
        document = strict((await client.get("/openapi.json")).json())
        document_of(aisle).write_text(json.dumps(document))
        for role in ROLES[1:]:
            file = aisle.home.with_name(f"{role}.token")
            made = ("users", "create", "--count", "1", "--role", role, "--username", f"fuzz-{role}-")
            done = await asyncio.to_thread(aisle.command, *made, "--tokens", str(file))
            assert done.returncode == 0, done.stderr
            tokens[role] = f"Authorization: Bearer {file.read_text().strip()}"
    return tokens


def document_of(aisle: RunningAisle) -> Path:
    """Returns the path of the strict document."""
    return aisle.home.with_suffix(".json")


def fuzz(
    aisle: RunningAisle, header: str | None, cases: int, phases: str, *more: str
) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis with this header, `cases` of each call in each generating phase."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "--config-file", str(CONFIG), "run", str(document_of(aisle)), "--url", aisle.url]
    options = ["--max-examples", str(cases), "--phases", phases, "--no-color", "--continue-on-failure"]
    options += ["--warnings", "off", "--request-timeout", "40", *more]
    if header is not None:
        options += ["--header", header]
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, cwd=aisle.home.parent
    )


def log_errors(aisle: RunningAisle) -> list[str]:
    """Returns the errors in the log of an instance, and the differences of `aisle verify`."""
    lines = aisle.output.read_text().splitlines()
    found = [
        line for line in lines if "level=error" in line or "level=critical" in line or "Traceback" in line
    ]
    verified = aisle.command("verify")
    return found if verified.returncode == 0 else [*found, verified.stdout + verified.stderr]


def main(arguments: Sequence[str]) -> int:
    """Fuzzes a new instance; returns the number of runs with findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fuzzing", description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="of each call, for each role")
    parser.add_argument("--seed", default="1")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="aisle-fuzz-") as folder:
        aisle = RunningAisle(Path(folder) / "home", {"AISLE_RATE_LIMITS": "off"})
        asyncio.run(aisle.start())
        try:
            tokens = asyncio.run(prepare(aisle))
            failed = 0
            for role in ROLES:
                done = fuzz(
                    aisle,
                    tokens.get(role),
                    given.cases,
                    "examples,coverage,fuzzing,stateful",
                    "--seed",
                    given.seed,
                )
                sys.stdout.write(f"As {role}:\n{done.stdout}{done.stderr}\n")
                failed += done.returncode != 0
            for error in log_errors(aisle):
                sys.stdout.write(error + "\n")
                failed += 1
        finally:
            aisle.stop()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
