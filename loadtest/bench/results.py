"""Everything that one `make bench` found out, and what its runs come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from loadtest.bench.letters import Letters
from loadtest.bench.machine import Machine
from loadtest.bench.processes import PARTS
from loadtest.bench.stage import Measured
from loadtest.bench.statistics import Latencies, Spread, spread

FOLDER = Path(__file__).parents[1] / "results"


class Verdict(msgspec.Struct, frozen=True):
    """What `aisle verify` said afterwards."""

    well: bool
    said: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case over all rounds."""

    case: str
    title: str
    runs: int
    a_second: Spread | None
    """Expected answers a second: confirmed bookings."""
    latency_ms: dict[str, Spread]
    """p50, p90, p99, p999 and max of each run."""
    cpu_us: dict[str, Spread]
    """CPU of each part for one expected answer."""
    statuses: dict[int, int]
    other: int
    """Answers with any other status, lost connections and unanswered requests."""
    examples: dict[int, str]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run, as it is kept in a file."""

    at: str
    log: str
    quick: bool
    warm_up_s: float
    measured_s: float
    gateways: int | None
    workers: int | None
    cases: list[Case]
    answered: int
    """Answers 201 to bookings, warm-ups included; the database should have as many."""
    kafka_is_seen: bool
    runs: list[Measured]
    """Every run, in the order in which they were made."""
    machine: Machine | None = None
    letters: Letters | None = None
    verdict: Verdict | None = None

    @property
    def lost(self) -> int:
        """Bookings that were answered 201 and are not in the database; more than none is a defect."""
        return 0 if self.letters is None else max(0, self.answered - self.letters.booked)

    @property
    def well(self) -> bool:
        """Whether nothing that was found says that Aisle did wrong."""
        return not self.lost and (self.verdict is None or self.verdict.well)

    def write(self) -> Path:
        """Puts the results into the folder of results. Returns the file."""
        FOLDER.mkdir(exist_ok=True)
        name = self.at.replace(":", "").replace("-", "")[:15]
        path = FOLDER / f"{name}-{self.log}{'-quick' if self.quick else ''}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def summarise(case: str, title: str, runs: Sequence[Measured]) -> Case:
    """What several runs of one case come to: medians, with the lowest and highest beside them."""
    tallies = [run.tally for run in runs]
    statuses: Counter[int] = Counter()
    examples: dict[int, str] = {}
    for tally in tallies:
        statuses.update(tally.statuses)
        examples = tally.examples | examples
    return Case(
        case=case,
        title=title,
        runs=len(runs),
        a_second=spread([tally.expected / tally.seconds for tally in tallies]),
        latency_ms=_latencies([tally.latencies for tally in tallies if tally.latencies]),
        cpu_us=_spreads((*PARTS, "generator"), [run.cpu_us for run in runs if run.cpu_us]),
        statuses=dict(statuses),
        other=sum(statuses.values())
        - sum(tally.expected for tally in tallies)
        + sum(tally.broken + tally.unanswered for tally in tallies),
        examples=examples,
    )


def _latencies(seen: Sequence[Latencies]) -> dict[str, Spread]:
    take: dict[str, Callable[[Latencies], float]] = {
        "p50": lambda run: run.p50,
        "p90": lambda run: run.p90,
        "p99": lambda run: run.p99,
        "p999": lambda run: run.p999,
        "max": lambda run: run.max,
    }
    return {name: found for name, of in take.items() if (found := spread([of(run) for run in seen]))}


def _spreads(names: Sequence[str], runs: Sequence[dict[str, float]]) -> dict[str, Spread]:
    """Of each part that used any CPU in any run."""
    found = {name: spread([run.get(name, 0.0) for run in runs]) for name in names}
    return {name: of for name, of in found.items() if of and of.high > 0}
