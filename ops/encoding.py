"""UTF-8 for this process and its children, whatever the locale says, and output that always can be written."""

from __future__ import annotations

import io
import os
import sys

_UTF8_MODE = "PYTHONUTF8"


def use_utf8() -> None:
    """Starts Python anew in its UTF-8 mode where the locale, or PYTHONUTF8=0, has forced another encoding on it.

    Paths are bytes to the system and text to everybody else: URLs, JSON, log lines. Only UTF-8 makes both agree.
    What standard output cannot express, as with PYTHONIOENCODING=ascii, is written with backslashes.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get(_UTF8_MODE) != "1":
        os.environ[_UTF8_MODE] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
