"""Options of our runs in addition to Locust's; its web page has a field for each."""

from __future__ import annotations

from pathlib import Path

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtest.locust.service import Service
from loadtest.locust.shapes import Shape
from loadtest.locust.shared_state import NotReady, SharedState


def add_options(parser: LocustArgumentParser) -> None:
    """Adds the options. Each can also be an environment variable."""
    parser.add_argument(
        "--tokens",
        default="",
        env_var="AISLE_LOAD_TOKENS",
        help="File written by `aisle users create --count N --tokens FILE`",
    )
    parser.add_argument(
        "--shows",
        default="",
        env_var="AISLE_LOAD_SHOWS",
        help="Ids of shows, separated by commas, the most popular first; empty: those on sale",
    )
    parser.add_argument(
        "--shape",
        default=Shape.SPIKE.value,
        choices=[shape.value for shape in Shape],
        env_var="AISLE_LOAD_SHAPE",
        help="Number of users over time",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, env_var="AISLE_LOAD_SECONDS", help="Length of a run"
    )
    parser.add_argument(
        "--hold-s",
        type=int,
        default=30,
        env_var="AISLE_LOAD_HOLD_S",
        help="Seconds for which seats are held, 30 to 900",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        env_var="AISLE_LOAD_ALONE",
        help="These shows have no other buyers: every sold seat must be accounted for",
    )


def read_shared_state(environment: Environment, number: int) -> SharedState:
    """Reads the shared state of process `number` from the options. Raises NotReady or ServiceError."""
    options = environment.parsed_options
    assert options is not None
    if not options.tokens:
        raise NotReady("--tokens FILE is required: `aisle users create --count N --tokens FILE` writes one")
    try:
        tokens = Path(options.tokens).read_text().split()
    except OSError as error:
        raise NotReady(f"--tokens {options.tokens}: {error.strerror}") from None
    if not tokens:
        raise NotReady(f"--tokens {options.tokens}: the file is empty")
    if not 30 <= options.hold_s <= 900:
        raise NotReady("--hold-s must be 30 to 900 seconds")
    return SharedState(
        tokens=tokens,
        shows=_shows(options.shows) or _on_sale(environment.host),
        hold_s=options.hold_s,
        first=number,
        stride=max(options.expect_workers, 1),
    )


def _shows(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        raise NotReady(f"--shows {text}: expected ids separated by commas") from None


def _on_sale(host: str | None) -> list[int]:
    if not host:
        raise NotReady("--host is required, such as http://127.0.0.1:8080")
    with Service(host, ()) as service:
        shows = service.shows_on_sale()
    if not shows:
        raise NotReady("no show is on sale; give --shows, or make one")
    return shows
