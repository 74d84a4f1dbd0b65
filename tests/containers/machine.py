"""Prerequisites of containers on this machine, and what of it a build may use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("podman", "runc", "netavark", "aardvark-dns", "catatonit", "iptables", "debootstrap")
_HELPERS = "/usr/lib/podman:/usr/libexec/podman"
"""Folders of programs that podman calls and that are in no PATH."""
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
_CERTIFICATES = "/etc/ssl/certs"
_MOUNTED = ("/etc/resolv.conf", "/etc/hosts", "/etc/apt/apt.conf.d")


def found(program: str) -> str | None:
    """Returns the path of a program."""
    return shutil.which(program) or shutil.which(program, path=f"{_HELPERS}:/usr/sbin:/sbin")


def obstacle() -> str | None:
    """Returns why containers cannot run here; None where they can."""
    if missing := [program for program in PROGRAMS if found(program) is None]:
        return f"{', '.join(missing)} missing; on Debian: apt install buildah {' '.join(PROGRAMS)}"
    if os.geteuid() != 0:
        return "this takes root: the networks and file systems of containers without root are not set up here"
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(namespaces, capture_output=True, check=False).returncode != 0:
        return "the kernel refuses namespaces or mounts, as in a container without privileges"
    if apt_mirror() is None:
        return "there are no apt sources, from which the base image is made"
    return None


def apt_mirror() -> str | None:
    """Returns the address of the packages that apt of this machine uses."""
    for path in map(Path, _SOURCES):
        files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
        for file in files:
            lines = re.sub(r"(?m)^\s*#.*$", "", file.read_text())
            if address := re.search(r"(?m)^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(https?://\S+)", lines):
                return address[1]
    return None


def mounts(folder: Path, *, certificates: bool = True) -> list[str]:
    """Returns the arguments that show a build this machine's names, certificates and settings of pip.

    They are mounted, so that nothing of them stays in the image. `folder`: where pip's settings are written.
    """
    pip = folder / "pip.conf"
    pip.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in _pip_settings().items()))
    wanted = [*_MOUNTED, *([_CERTIFICATES] if certificates else [])]
    pairs = [(str(pip), "/etc/pip.conf"), *((path, path) for path in wanted if Path(path).exists())]
    return [part for source, target in pairs for part in ("--volume", f"{source}:{target}:ro")]


def _pip_settings() -> dict[str, str]:
    """Returns pip's settings from files and variables, without those that name folders of this machine."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = [re.fullmatch(r"(?:global|:env:)\.([a-z-]+)='(.*)'", line) for line in lines]
    return {pair[1]: pair[2] for pair in pairs if pair is not None and pair[1] != "find-links"}
