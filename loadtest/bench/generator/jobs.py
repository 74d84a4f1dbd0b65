"""What the benchmark and its generator say to each other: one order in, a few lines out, all JSON."""

from __future__ import annotations

import msgspec

from loadtest.bench.generator.requests import Load
from loadtest.bench.report.statistics import Latencies


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """An open loop: requests are due by a clock, whether or not those before are answered.

    Calm for the order's `warm_up_s`, then `per_second` for its `measured_s`, then calm again for `recovery_s`.
    """

    per_second: float
    baseline_per_second: float
    recovery_s: float


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Unless requests are `due` by a clock, each of `connections` asks again as soon as it is answered."""

    host: str
    port: int
    tokens: tuple[str, ...]
    load: Load
    connections: int
    warm_up_s: float
    measured_s: float
    expected: tuple[int, ...] = (201,)
    """The statuses that count as success."""
    due: Schedule | None = None
    mark_every: int = 0
    """Say Mark each time that so many more requests have succeeded; 0: never."""


class Started(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The warm-up is over; from now on it counts."""


class Mark(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """So many have succeeded since Begun."""

    done: int
    seconds: float
    """Since Begun."""


class Finished(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Nothing counts any more; what is outstanding is still waited for."""


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The run could not be made."""

    message: str


class Overload(msgspec.Struct, frozen=True, kw_only=True):
    """What an open loop saw. All latencies count from the moment when a request was due."""

    due: int
    """Requests that were due in the measured time."""
    baseline: Latencies | None = msgspec.field(name="calm")
    """Of those that succeeded before it."""
    rejected: Latencies | None = msgspec.field(name="turned_away")
    """Of those that were due in it and answered 503 or 429."""
    no_retry_after: int
    """Of these, those that were not told when to come again."""
    max_queued: int = msgspec.field(name="most_waiting")
    """At most so many were due at once and had no connection to go out on."""
    recovered_after_s: float | None = msgspec.field(name="normal_after_s")
    """How long after it requests were answered as before again: nobody turned away, and a p99 of at most twice the
    calm one, over a quarter of a second. None: not within the time that was looked at."""


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What the generator saw. Only what was answered between Begun and Ended counts, but for `all_statuses`."""

    seconds: float
    statuses: dict[int, int]
    latencies: Latencies | None
    """Of the answers with an expected status. In an open loop: of those to requests that were due while it counted,
    from the moment when they were due, whenever the answer came."""
    each_second: tuple[int, ...]
    """Expected answers in each second of the run, so that a stall shows."""
    cpu_s: float
    """CPU of the generator itself."""
    all_statuses: dict[int, int] = msgspec.field(name="ever")
    """Statuses of the whole run, warm-up and end included."""
    examples: dict[int, str]
    """For each other status, the first body that came with it, in the whole run."""
    broken: int
    """Connections that were lost with a request outstanding, in the whole run."""
    unanswered: int
    """Requests still outstanding when the generator stopped waiting."""
    ran_out: bool
    """There was nothing left to ask for before the time was over."""
    overload: Overload | None = None
    """Of an open loop."""

    @property
    def asked(self) -> int:
        """Requests of the whole run, however they ended."""
        return sum(self.all_statuses.values()) + self.broken + self.unanswered

    @property
    def expected(self) -> int:
        return sum(self.each_second)


Message = Started | Mark | Finished | Failed | Tally

encode = msgspec.json.encode
decode_job = msgspec.json.Decoder(Job).decode
decode_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
