"""podman with storage, networks and settings of its own, so that nothing of this machine's containers is touched."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.containers.machine import found

_SETTINGS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
init_path = "{init}"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{run}"
"""


class Engine:
    """podman on the storage of `folder`, which keeps the images for the next run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:8]
        # podman takes no long path for it.
        self._run = Path(tempfile.gettempdir()) / f"aisle-containers-{digest}"
        self.project = f"aisle-{digest}"
        values = {
            "folder": self.folder,
            "run": self._run,
            "init": found("catatonit"),
            "files": min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            "processes": _limit(resource.RLIMIT_NPROC),
        }
        (self.folder / "containers.conf").write_text(_SETTINGS.format_map(values))
        (self.folder / "storage.conf").write_text(_STORAGE.format_map(values))
        self.environment: dict[str, str] = os.environ | {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            # Without systemd nothing runs health checks by a timer: they are run when they are wanted.
            "DISABLE_HC_SYSTEMD": "true",
        }

    def podman(self, *arguments: str, stdin: Any = subprocess.DEVNULL) -> str:
        """Runs podman and returns its output. Raises CalledProcessError, with its error output shown."""
        return self._output(["podman", *arguments], stdin=stdin)

    def succeeds(self, *arguments: str) -> bool:
        """Runs podman and returns whether its exit status was 0."""
        command = ["podman", *arguments]
        return subprocess.run(command, capture_output=True, env=self.environment, check=False).returncode == 0

    def inspect(self, name: str) -> dict[str, Any]:
        """Returns the description of a container."""
        (description,) = json.loads(self.podman("container", "inspect", name))
        return dict(description)

    def logs(self, name: str, lines: int = -1) -> str:
        """Returns what a container wrote, on both outputs, in order: all of it, or the last lines."""
        command = ["podman", "logs", "--tail", str(lines), name]
        output = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment, check=False
        ).stdout
        return output.decode(errors="replace")

    def names(self, service: str) -> list[str]:
        """Returns the names of a service's running containers."""
        wanted = ["--filter", f"label=com.docker.compose.service={service}", "--format", "{{.Names}}"]
        return sorted(self.podman("ps", *wanted).split())

    def reset(self) -> None:
        """Removes all containers, networks and volumes of this storage, and its mounts. Images stay."""
        for arguments in (
            ["rm", "--all", "--force", "--depend", "--time", "0", "--volumes"],
            ["pod", "rm", "--all", "--force"],
            ["network", "prune", "--force"],
            ["volume", "prune", "--force"],
        ):
            self.succeeds(*arguments)
        shutil.rmtree(self._run, ignore_errors=True)

    def _output(
        self,
        command: Sequence[str],
        *,
        stdin: Any = subprocess.DEVNULL,
        more: Mapping[str, str] | None = None,
    ) -> str:
        done = subprocess.run(
            command,
            stdin=stdin,
            capture_output=True,
            text=True,
            env=self.environment | dict(more or {}),
            check=False,
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
            raise subprocess.CalledProcessError(done.returncode, command)
        return str(done.stdout)


class Project:
    """The project of compose.yaml: a copy of the file, without the `.env` that a developer may have beside it."""

    def __init__(self, engine: Engine, checkout: Path, ports: Mapping[str, int]) -> None:
        self._engine = engine
        folder = engine.folder / "project"
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("compose.yaml", "deploy/development.env", "deploy/caddy/compose.Caddyfile"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, folder / name)
        self._command = [
            str(Path(sys.executable).with_name("podman-compose")),
            "--file",
            str(folder / "compose.yaml"),
            "--project-name",
            engine.project,
        ]
        self._ports = {name: str(port) for name, port in ports.items()}

    def __call__(self, *arguments: str) -> str:
        """Runs podman-compose. Raises CalledProcessError."""
        return self._engine._output([*self._command, *arguments], more=self._ports)

    def up(self, *services: str, scale: str | None = None) -> None:
        """Starts services, without building and without those they depend on."""
        self(
            "up",
            "--detach",
            "--no-build",
            "--no-recreate",
            "--no-deps",
            *(["--scale", scale] if scale else []),
            *services,
        )


def _limit(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
