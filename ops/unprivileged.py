"""Starting a server so that it stops with its parent and never runs as root, which PostgreSQL refuses."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
from pathlib import Path

from runtime.process import CannotStart

_USERS = ("aisle", "nobody", "postgres")
"""Whose rights the embedded servers get when root starts them: the first of these that there is."""

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


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

    Where the way to one of the paths in `reached` is closed to that user (root's own folders often are), the
    server keeps the one right to pass through.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart("the program setpriv is missing; it belongs to util-linux")
    prefix = [setpriv, "--pdeathsig", stop.name.removeprefix("SIG")]
    if user is not None:
        prefix += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        if not all(_open_to(user, path) for path in reached):
            right = _right_to_pass()
            prefix += [f"--inh-caps=-all,+{right}", f"--ambient-caps=-all,+{right}"]
    return [*prefix, "--"]


def _open_to(user: pwd.struct_passwd, path: Path) -> bool:
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid == user.pw_uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == user.pw_gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def _right_to_pass() -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            held = int(line.split()[1], 16)
            if held >> _CAP_DAC_READ_SEARCH & 1:
                return "dac_read_search"
            if held >> _CAP_DAC_OVERRIDE & 1:
                return "dac_override"
    raise CannotStart(
        "this folder is closed to other users; set AISLE_HOME to one that can be reached by all"
    )
