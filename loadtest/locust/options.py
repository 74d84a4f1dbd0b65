"""The options that a Locust run of ours has on top of Locust's own; its web page has a field for each."""

from __future__ import annotations

from pathlib import Path

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtest.locust.service import Service
from loadtest.locust.shapes import Shape
from loadtest.locust.shared_state import NotReady, SharedState


def add_options(parser: LocustArgumentParser) -> None:
    """Adds them. Each can be given as an environment variable, too."""
    parser.add_argument(
        "--tokens",
        default="",
        env_var="AISLE_LOAD_TOKENS",
        help="The file that `aisle users create --count N --tokens FILE` has written",
    )
    parser.add_argument(
        "--shows",
        default="",
        env_var="AISLE_LOAD_SHOWS",
        help="Numbers of shows, with commas, the most wanted first; empty: those on sale",
    )
    parser.add_argument(
        "--shape",
        default=Shape.SPIKE.value,
        choices=[shape.value for shape in Shape],
        env_var="AISLE_LOAD_SHAPE",
        help="How the crowd comes together",
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
        help="Nobody else buys seats of these shows: every seat sold has to be accounted for",
    )


def read_shared_state(environment: Environment, number: int) -> SharedState:
    """What the people of process `number` share, as the options say. Raises NotReady or NoAnswer."""
    options = environment.parsed_options
    assert options is not None
    if not options.tokens:
        raise NotReady("--tokens FILE is wanted: `aisle users create --count N --tokens FILE` writes one")
    try:
        tokens = Path(options.tokens).read_text().split()
    except OSError as error:
        raise NotReady(f"--tokens {options.tokens}: {error.strerror}") from None
    if not tokens:
        raise NotReady(f"--tokens {options.tokens}: the file is empty")
    if not 30 <= options.hold_s <= 900:
        raise NotReady("--hold-s: 30 to 900 seconds are possible")
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
        raise NotReady(f"--shows {text}: numbers with commas between them are wanted") from None


def _on_sale(host: str | None) -> list[int]:
    if not host:
        raise NotReady("--host is wanted, such as http://127.0.0.1:8080")
    with Service(host, ()) as service:
        shows = service.shows_on_sale()
    if not shows:
        raise NotReady("no show is on sale; give --shows, or make one")
    return shows
