"""What Locust is given: `locust -f loadtest/people/locustfile.py`."""

from __future__ import annotations

from typing import Any

from locust import events

from loadtest.people.browsing import Browser
from loadtest.people.buying import Canceller, RushBuyer
from loadtest.people.options import add_options
from loadtest.people.run import CrowdShape, Run
from loadtest.people.watching import Fan

__all__ = ["Browser", "Canceller", "CrowdShape", "Fan", "RushBuyer"]


_on: Any = events  # which have no types
_on.init_command_line_parser.add_listener(add_options)
_on.init.add_listener(lambda environment, **_: Run(environment).wire())
