"""The welcome text of `aisle up`: addresses, logins and one shell line that books seats."""

from __future__ import annotations

import shlex
import sys

import msgspec
from rich.console import Console
from rich.markup import escape

from ops.first_start import DEMO_PASSWORD, DEMO_USER
from ops.local.credentials import Logins
from ops.local.readiness import own_address
from ops.sample.data import SampleData
from runtime.settings import Settings


def welcome(settings: Settings, sample_data: SampleData, logins: Logins, took_s: float) -> None:
    """Prints the welcome text."""
    site = _site(settings)
    lines = [
        ("Site", f"{site}/"),
        ("API", f"{site}/docs"),
        ("Log", f"Kafka at {settings.kafka}" if settings.kafka else "in PostgreSQL"),
        ("State", str(settings.home)),
    ]
    demo = [(DEMO_USER, DEMO_PASSWORD)] if DEMO_USER in sample_data.users else []
    for n, (name, password) in enumerate([*demo, *logins]):
        lines.append(("" if n else "Log in as", f"{name} / {password}"))
    if settings.smtp_url is None:
        lines.insert(2, ("Inbox", f"{site}/inbox"))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\n[bold]Aisle is running[/bold], ready after {took_s:.1f} s.\n")
    for label, value in lines:
        console.print(f"  [bold]{label:<11}[/bold]{escape(value)}")
    if sample_data.show_id is not None:
        console.print("\nBook seats from another terminal:\n")
        # Plain print: colours or wrapped lines would spoil the command for copying.
        print(booking_command(site, sample_data.show_id, sample_data.seats))
    if not sample_data.sample_data:
        console.print(
            "\nThis instance has no sample data; docs/empty-instance.md says how to add movies and shows."
        )
    console.print("\nCtrl-C stops everything; what was booked stays.\n")
    sys.stdout.flush()


def booking_command(site: str, show_id: int, seats: tuple[str, ...]) -> str:
    """Returns one shell line that logs in as the demo customer and books these seats."""
    json = "-H 'Content-Type: application/json'"
    login = shlex.quote(msgspec.json.encode({"username": DEMO_USER, "password": DEMO_PASSWORD}).decode())
    token = f"""$(curl -s {site}/api/login {json} -d {login} | sed 's/.*"access": *"\\([^"]*\\)".*/\\1/')"""
    body = shlex.quote(msgspec.json.encode({"seats": seats}).decode())
    booking = (
        f'curl -s {site}/api/shows/{show_id}/bookings -H "Authorization: Bearer {token}" {json} -d {body}'
    )
    return f"{booking}; echo"


def _site(settings: Settings) -> str:
    host, port = own_address(settings.host, settings.port)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
