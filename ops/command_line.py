"""Shared by the commands of `aisle`: their settings, and the line for wrong usage."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from runtime.settings import Settings, read_settings
from runtime.telemetry import configure_logs


def command_settings(*, log_level: str | None = "warning") -> Settings:
    """Returns the settings of this command, which logs from this level on; None: the level of the settings."""
    settings = read_settings(os.environ)
    configure_logs("aisle", log_level or settings.log_level)
    return settings


def wrong_usage(message: str) -> NoReturn:
    """Ends the command with one line and exit status 2."""
    print(f"aisle: {message}", file=sys.stderr)
    sys.exit(2)
