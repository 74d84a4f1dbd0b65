"""openapi-python-client in a separate venv: it needs other versions of packages than Aisle."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "clients.lock"
KEPT_IN = ROOT / ".aisle-test" / "clients"
PACKAGE = "aisle_client"


class ClientGenerator:
    """Generates and runs clients. The venv is created at the first use and kept until its lock file changes."""

    def __init__(self) -> None:
        self._bin = KEPT_IN / "bin"
        wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
        installed = KEPT_IN / "installed"
        if not installed.exists() or installed.read_text() != wanted:
            shutil.rmtree(KEPT_IN, ignore_errors=True)
            venv.create(KEPT_IN, with_pip=True)
            pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes"]
            self.run([*pip, "--requirement", str(LOCK)])
            installed.write_text(wanted)

    def generate(self, document: Path, folder: Path) -> str:
        """Writes the package `aisle_client` into the folder; returns the output of the generator."""
        options = ["generate", "--path", str(document), "--output-path", str(folder / PACKAGE)]
        return self.run(["-m", "openapi_python_client", *options, "--meta", "none"])

    def validate(self, document: Path) -> str:
        """Checks the document against the OpenAPI specification; fails for an invalid one."""
        return self.run(["-m", "openapi_spec_validator", str(document)])

    def run(self, arguments: list[str], *, package_in: Path | None = None, given: str | None = None) -> str:
        """Runs the venv's Python, optionally with a generated package; returns its output."""
        path = os.pathsep.join([str(self._bin), os.environ.get("PATH", "")])
        environment = {"PATH": path, "PYTHONUTF8": "1", "TERM": "dumb", "COLUMNS": "200"}
        if package_in is not None:
            environment["PYTHONPATH"] = str(package_in)
        kept = {
            name: os.environ[name]
            for name in ("HOME", "PIP_INDEX_URL", "PIP_CONFIG_FILE")
            if name in os.environ
        }
        done = subprocess.run(
            [self._bin / "python", *arguments],
            env=kept | environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{arguments} with {sys.version}:\n{done.stdout[-6000:]}"
        return done.stdout
