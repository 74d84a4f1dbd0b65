"""Messages between the benchmark and its generator: one job in, a few messages out, one JSON line each."""

from __future__ import annotations

import msgspec

from loadtest.bench.generator.requests import Load
from loadtest.bench.report.statistics import Latencies


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of an open loop: requests are due by a clock, independent of responses.

    The baseline rate for the job's `warm_up_s`, then `per_second` for its `measured_s`, then the baseline rate again
    for `recovery_s`.
    """

    per_second: float
    baseline_per_second: float
    recovery_s: float


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run: an open loop with a `schedule`, else a closed loop of `connections`."""

    host: str
    port: int
    tokens: tuple[str, ...]
    load: Load
    connections: int
    warm_up_s: float
    measured_s: float
    expected: tuple[int, ...] = (201,)
    """Statuses that count as success."""
    schedule: Schedule | None = None
    mark_every: int = 0
    """Number of successful requests from one Mark to the next; 0: no marks."""


class Started(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The warm-up is over and the measured time starts."""


class Mark(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Progress: `done` requests have succeeded since Started."""

    done: int
    seconds: float
    """Since Started."""


class Finished(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The measured time is over; outstanding responses are still awaited."""


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The run was not possible."""

    message: str


class Overload(msgspec.Struct, frozen=True, kw_only=True):
    """Results of an open loop. All latencies count from the time when a request was due."""

    due: int
    """Requests that were due in the measured time."""
    baseline: Latencies | None = msgspec.field(name="calm")
    """Latencies of successful requests before it."""
    rejected: Latencies | None = msgspec.field(name="turned_away")
    """Latencies of requests due in it with the response 503 or 429."""
    no_retry_after: int
    """Rejections without Retry-After."""
    max_queued: int = msgspec.field(name="most_waiting")
    """Highest number of requests that were due and had no free connection."""
    recovered_after_s: float | None = msgspec.field(name="normal_after_s")
    """Seconds from its end to the first quarter of a second without rejections and with a p99 of at most twice the
    baseline's. None: not within the observed time."""


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """Counts and latencies of a run: responses between Started and Finished, except where a field states otherwise."""

    seconds: float
    statuses: dict[int, int]
    latencies: Latencies | None
    """Of responses with an expected status. In an open loop: of requests that were due in the measured time, from
    the time when they were due, also when the response came later."""
    each_second: tuple[int, ...]
    """Expected responses in each second of the run, which shows stalls."""
    cpu_s: float
    """CPU of the generator itself."""
    all_statuses: dict[int, int] = msgspec.field(name="ever")
    """Statuses of the whole run, including warm-up and end."""
    examples: dict[int, str]
    """The first body received with each other status, in the whole run."""
    broken: int
    """Connections lost with an outstanding request, in the whole run."""
    unanswered: int
    """Requests still outstanding when the generator stopped waiting."""
    ran_out: bool
    """No requests were left before the time was over."""
    overload: Overload | None = None
    """Set by an open loop."""

    @property
    def requests(self) -> int:
        """Number of requests of the whole run, with or without a response."""
        return sum(self.all_statuses.values()) + self.broken + self.unanswered

    @property
    def expected(self) -> int:
        return sum(self.each_second)


Message = Started | Mark | Finished | Failed | Tally

encode = msgspec.json.encode
decode_job = msgspec.json.Decoder(Job).decode
decode_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
