"""The home: the folder with the state of embedded mode, and the lock that gives it to one process."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.process import CannotStart

_LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket may have on Linux."""

_LONGEST_NAME = "/.s.PGSQL.5432"


class HomeInUse(CannotStart):
    """Another process has the home."""


def make_home(home: Path) -> Path:
    """Creates the folder if need be. Raises CannotStart."""
    path = os.fspath(home)
    if path.encode(errors="replace") != os.fsencode(path) or "\n" in path:
        raise CannotStart(
            f"AISLE_HOME={path!r}: this path is not UTF-8 text of one line; set AISLE_HOME to one that is"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise CannotStart(
                f"AISLE_HOME={home}: this folder cannot be written to; set AISLE_HOME to another"
            )
    except FileExistsError:
        raise CannotStart(f"AISLE_HOME={home}: this is not a folder; set AISLE_HOME to another") from None
    except OSError as error:
        raise CannotStart(f"AISLE_HOME={home}: {error.strerror}; set AISLE_HOME to another folder") from None
    return home


@contextmanager
def locked(home: Path, holder: str) -> Iterator[None]:
    """Holds the home for one process; the kernel takes the lock back however that process ends.

    Raises HomeInUse with the words in `holder` of whoever has it.
    """
    path = make_home(home) / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise HomeInUse(f"{home} is in use by {other}; another AISLE_HOME would do") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def sockets_folder(home: Path) -> Path:
    """Where the servers of this home have their sockets: in it, or where its path is too long, under /tmp."""
    folder = home / "sockets"
    if len(os.fsencode(folder)) + len(_LONGEST_NAME) <= _LONGEST_SOCKET:
        return folder
    return Path("/tmp") / f"aisle-{os.geteuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"


def make_private(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Creates a folder that only its owner may enter, or checks that it is one. Raises CannotStart."""
    owner = os.geteuid() if user is None else user.pw_uid
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (owner, os.geteuid()):
        raise CannotStart(
            f"{folder} belongs to user {status.st_uid} or is no folder, and user {owner} needs one there; "
            "start as root or as that user, or set AISLE_HOME to another folder"
        )
    if user is not None:
        try:
            os.chown(folder, user.pw_uid, user.pw_gid)
        except OSError as error:
            raise CannotStart(
                f"{folder} cannot be given to {user.pw_name}, the user that PostgreSQL and Redis run as: "
                f"{error.strerror}; start as another user than root, or set AISLE_HOME to another folder"
            ) from None
    folder.chmod(0o700)
    return folder
