"""UTF-8 mode for this process and its children, independent of the locale."""

from __future__ import annotations

import io
import os
import sys

_UTF8_MODE = "PYTHONUTF8"


def use_utf8() -> None:
    """Restarts Python in UTF-8 mode where the locale, or PYTHONUTF8=0, has selected another encoding.

    Paths are bytes for the system and text in URLs, JSON and log lines: with UTF-8 both agree. Characters that
    standard output cannot express, as with PYTHONIOENCODING=ascii, are written as escapes.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get(_UTF8_MODE) != "1":
        os.environ[_UTF8_MODE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
