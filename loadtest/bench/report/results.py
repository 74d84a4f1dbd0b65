"""Results of one `make bench`, and the summary of its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from loadtest.bench.emails import Emails
from loadtest.bench.environment import CaseRun, Step
from loadtest.bench.processes import PARTS
from loadtest.bench.report.columns import RATES, REJECTED_STATUSES, Column, rates
from loadtest.bench.report.machine import Machine
from loadtest.bench.report.statistics import Latencies, Spread, spread

FOLDER = Path(__file__).parents[2] / "results"

NOT_PATH = ("notifier", "generator")
"""Parts that the cost of a booking does not include: e-mails, which are measured apart, and the generator."""


class CheckResult(msgspec.Struct, frozen=True):
    """Result of `aisle verify` after the runs."""

    passed: bool = msgspec.field(name="well")
    output: str = msgspec.field(name="said")


class FullHome(msgspec.Struct, frozen=True, kw_only=True):
    """Results of the home in which bookings had been sold beforehand."""

    beforehand: int
    answered: int
    """Responses 201 to bookings of its runs."""
    booked: int
    """Of these, bookings in its database."""
    check: CheckResult = msgspec.field(name="verdict")

    @property
    def lost(self) -> int:
        return max(0, self.answered - self.booked)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case over all rounds."""

    case: str
    title: str
    runs: int
    per_second: Spread | None = msgspec.field(name="a_second")
    """Expected responses per second."""
    rates: dict[str, Spread]
    """Rates of all responses, by their meaning."""
    latency_ms: dict[str, Spread]
    """p50, p90, p99, p999 and max of each run."""
    cpu_us: dict[str, Spread]
    """CPU of each part per expected response."""
    generator_us: Spread | None
    """CPU of the generator per request."""
    memory_mib: dict[str, Spread]
    """Proportional memory of each part after a run."""
    figures: dict[str, Spread]
    """Figures of this case alone."""
    steps: list[list[Spread]]
    """For each step between two marks: expected responses per second and, where known, the CPU of the booking path
    per response in microseconds."""
    statuses: dict[int, int]
    other: int
    """Responses with an unexpected status, lost connections and requests without a response."""
    examples: dict[int, str]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All results, as written to a file."""

    at: str
    log: str
    quick: bool
    warm_up_s: float
    measured_s: float
    gateways: int | None
    workers: int | None
    cases: list[Case]
    answered: int
    """Responses 201 to bookings, including warm-ups; the database should have as many."""
    kafka_is_seen: bool
    runs: list[CaseRun]
    """All runs in order."""
    max_in_flight: int | None = None
    """Limit of undecided requests of each gateway."""
    partitions: int | None = None
    idle_mib: dict[str, float] | None = None
    """Proportional memory of each part after the start, before the first request."""
    machine: Machine | None = None
    emails: Emails | None = msgspec.field(name="letters", default=None)
    check: CheckResult | None = msgspec.field(name="verdict", default=None)
    sold: FullHome | None = None

    @property
    def lost(self) -> int:
        """Bookings with the response 201 that are not in the database; any is a defect."""
        lost = 0 if self.emails is None else max(0, self.answered - self.emails.booked)
        return lost + (self.sold.lost if self.sold else 0)

    @property
    def passed(self) -> bool:
        """True when no booking is lost and `aisle verify` passed."""
        checks = (self.check, self.sold.check if self.sold else None)
        return not self.lost and all(check.passed for check in checks if check)

    def write(self) -> Path:
        """Writes the results into the results folder. Returns the file."""
        FOLDER.mkdir(exist_ok=True)
        name = self.at.replace(":", "").replace("-", "")[:15]
        path = FOLDER / f"{name}-{self.log}{'-quick' if self.quick else ''}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def summarise(column: Column, runs: Sequence[CaseRun]) -> Case:
    """Summary of the runs of one case: medians with the lowest and the highest values."""
    tallies = [run.tally for run in runs]
    statuses: Counter[int] = Counter()
    examples: dict[int, str] = {}
    for tally in tallies:
        statuses.update(tally.statuses)
        examples = tally.examples | examples
    rejected = sum(count for status, count in statuses.items() if status in REJECTED_STATUSES)
    return Case(
        case=column.case,
        title=column.title,
        runs=len(runs),
        per_second=spread([tally.expected / tally.seconds for tally in tallies]),
        rates=_spreads(RATES, [rates(column, tally.statuses, tally.seconds) for tally in tallies]),
        latency_ms=_latencies([tally.latencies for tally in tallies if tally.latencies]),
        cpu_us=_spreads((*PARTS, "generator"), [run.cpu_us for run in runs if run.cpu_us]),
        generator_us=spread(
            [tally.cpu_s * 1e6 / sum(tally.statuses.values()) for tally in tallies if tally.statuses]
        ),
        memory_mib=_spreads(PARTS, [run.memory_mib for run in runs if run.memory_mib]),
        figures=_spreads(
            list(dict.fromkeys(name for run in runs for name in run.figures)),
            [run.figures for run in runs],
            where_missing=None,
        ),
        steps=_steps([run.steps for run in runs]),
        statuses=dict(statuses),
        other=sum(statuses.values())
        - rejected
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


def _spreads(
    names: Sequence[str], runs: Sequence[dict[str, float]], *, where_missing: float | None = 0.0
) -> dict[str, Spread]:
    """Spreads by name. A missing value counts as `where_missing`; with None it is left out."""
    found = {}
    for name in names:
        values = [run.get(name, where_missing) for run in runs]
        seen = spread([value for value in values if value is not None])
        if seen and (seen.high > 0 or where_missing is None):
            found[name] = seen
    return found


def _steps(runs: Sequence[Sequence[Step]]) -> list[list[Spread]]:
    found: list[list[Spread]] = []
    for stretch in zip(*runs, strict=False):
        number = len(found)
        begun = [(run[number - 1].done, run[number - 1].seconds) if number else (0, 0.0) for run in runs]
        speeds = [
            (step.done - done) / max(step.seconds - at, 1e-9)
            for step, (done, at) in zip(stretch, begun, strict=True)
        ]
        costs = [path_us(step.cpu_us) for step in stretch if step.cpu_us]
        found.append([one for values in (speeds, costs) if (one := spread(values))])
    return found


def path_us(cpu_us: Mapping[str, float]) -> float:
    """CPU of the booking path: all parts except those in NOT_PATH."""
    return sum(used for part, used in cpu_us.items() if part not in NOT_PATH)
