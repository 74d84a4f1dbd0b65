"""Locust's entry point: `locust -f loadtest/locust/locustfile.py`."""

from __future__ import annotations

from typing import Any

from locust import events

from loadtest.locust.browsing_users import BrowsingUser
from loadtest.locust.buying_users import CancellingUser, RushUser
from loadtest.locust.options import add_options
from loadtest.locust.run import LoadShape, Run
from loadtest.locust.watching_users import WatchingUser

__all__ = ["BrowsingUser", "CancellingUser", "LoadShape", "RushUser", "WatchingUser"]


_events: Any = events  # untyped in Locust
_events.init_command_line_parser.add_listener(add_options)
_events.init.add_listener(lambda environment, **_: Run(environment).register())
