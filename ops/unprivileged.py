"""Starting a server so that it stops with its parent and never runs as root, which PostgreSQL refuses."""

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
"""Whose rights the embedded servers get when root starts them: the first of these that there is."""

_RIGHTS_TO_PASS = ("dac_read_search", "dac_override")
"""Capabilities that open closed folders; the second one also programs that only root may run (umask 077)."""


def server_user(data: Path) -> pwd.struct_passwd | None:
    """Whom a server with this data folder has to run as; None for the user who starts it.

    Only root has a choice: the owner of the data, where there are some, or a user without rights.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise CannotStart(f"{data} belongs to user {owner}, whom this system does not know") from None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotStart(f"root cannot run PostgreSQL and there is no user {' or '.join(_USERS)} to run it as")


def launcher(user: pwd.struct_passwd | None, stop: signal.Signals, *reached: Path) -> list[str]:
    """What to put before a command line so that it runs as `user` and gets `stop` when its parent dies.

    Each path in `reached`, a program or a folder, is tried as that user. Where the way there is closed to it,
    as it is in root's own folders, the server keeps one of root's rights: the smallest that is enough.
    Raises CannotStart.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart("the program setpriv is missing; it belongs to util-linux")
    prefix = [setpriv, "--pdeathsig", stop.name.removeprefix("SIG")]
    if user is None:
        return [*prefix, "--"]
    # No program with the setuid bit brings any right back.
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
    # PostgreSQL's programs look for each other with access(2), which passes over the rights of any user but root
    # unless `no_setuid_fixup` is set.
    kept = f"-all,+{right}"
    return ["--securebits", "+no_setuid_fixup", "--inh-caps", kept, "--ambient-caps", kept]


def _closed(command: list[str], paths: Sequence[Path]) -> str:
    """The first of the paths that cannot be reached by what `command` starts, and why; empty if there is none."""
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
