"""Command lines for servers that stop with their parent and never run as root, which PostgreSQL refuses."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runtime.process import CannotStart

_USERS = ("aisle", "nobody", "postgres")
"""Users for embedded servers that root starts: the first that exists is used."""

_RIGHTS_TO_PASS = ("dac_read_search", "dac_override")
"""Capabilities for folders closed to the user; the second one also for programs that only root may run (umask 077)."""


def server_user(data: Path) -> pwd.struct_passwd | None:
    """Returns the user for a server with this data folder; None for the current user.

    As root: the owner of existing data, or else an unprivileged user.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise CannotStart(f"{data} belongs to user {owner}, who does not exist on this system") from None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotStart(f"root cannot run PostgreSQL and there is no user {' or '.join(_USERS)} to run it as")


def launcher(user: pwd.struct_passwd | None, stop: signal.Signals, *reached: Path) -> list[str]:
    """Returns the prefix of a command line that runs as `user` and receives `stop` when its parent dies.

    Access to each path in `reached`, a program or a folder, is tried as that user. Where it is denied, as in root's
    own folders, the server keeps one capability of root: the smallest that suffices. Raises CannotStart.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart("the program setpriv is missing; it belongs to util-linux")
    prefix = [setpriv, "--pdeathsig", stop.name.removeprefix("SIG")]
    if user is None:
        return [*prefix, "--"]
    # No program with the setuid bit may regain privileges.
    prefix += ["--no-new-privs", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    for right in ("", *_RIGHTS_TO_PASS):
        command = [*prefix, *_keeping(right), "--"]
        if not (closed := _closed(command, reached)):
            return command
    raise CannotStart(
        f"PostgreSQL and Redis run as {user.pw_name}, who cannot reach {closed}; "
        "start as another user than root, or have the checkout and AISLE_HOME in folders that are open to all"
    )


def _keeping(right: str) -> list[str]:
    if not right:
        return []
    # PostgreSQL's programs find each other with access(2), which ignores capabilities of users other than root
    # unless `no_setuid_fixup` is set.
    kept = f"-all,+{right}"
    return ["--securebits", "+no_setuid_fixup", "--inh-caps", kept, "--ambient-caps", kept]


def _closed(command: list[str], paths: Sequence[Path]) -> str:
    """Returns the first path that a program started by `command` cannot reach, with the reason; empty if none."""
    for path in paths:
        tried = subprocess.run(
            [*command, "test", "-x", os.fspath(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if tried.returncode != 0:
            why = tried.stderr.decode(errors="replace").strip()
            return f"{path} ({why})" if why else os.fspath(path)
    return ""
