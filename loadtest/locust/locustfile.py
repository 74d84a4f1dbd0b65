"""What Locust is given: `locust -f loadtest/locust/locustfile.py`."""

from __future__ import annotations

from typing import Any

from locust import events

from loadtest.locust.options import add_options
from loadtest.locust.run import Run

__all__ = ["BrowsingUser", "CancellingUser", "LoadShape", "RushUser", "WatchingUser"]


_on: Any = events  # which have no types
_on.init_command_line_parser.add_listener(add_options)
_on.init.add_listener(lambda environment, **_: Run(environment).wire())
