"""What the benchmark and its generator say to each other: one order in, a few lines out, all JSON."""

from __future__ import annotations

import msgspec

from loadtest.bench.requests import Asks
from loadtest.bench.statistics import Latencies


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One run: each of `connections` asks again as soon as it is answered."""

    host: str
    port: int
    tokens: tuple[str, ...]
    asks: Asks
    connections: int
    warm_up_s: float
    measured_s: float
    expected: tuple[int, ...] = (201,)
    """The statuses that count as success."""


class Begun(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The warm-up is over; from now on it counts."""


class Ended(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Nothing counts any more; what is outstanding is still waited for."""


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The run could not be made."""

    message: str


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """What the generator saw. Only what was answered between Begun and Ended counts, but for `ever`."""

    seconds: float
    statuses: dict[int, int]
    latencies: Latencies | None
    """Of the answers with an expected status."""
    each_second: tuple[int, ...]
    """Expected answers in each second of the run, so that a stall shows."""
    cpu_s: float
    """CPU of the generator itself."""
    ever: dict[int, int]
    """Statuses of the whole run, warm-up and end included."""
    examples: dict[int, str]
    """For each other status, the first body that came with it, in the whole run."""
    broken: int
    """Connections that were lost with a request outstanding, in the whole run."""
    unanswered: int
    """Requests still outstanding when the generator stopped waiting."""
    ran_out: bool
    """There was nothing left to ask for before the time was over."""

    @property
    def expected(self) -> int:
        return sum(self.each_second)


Line = Begun | Ended | Failed | Tally

encode = msgspec.json.encode
decode_order = msgspec.json.Decoder(Order).decode
decode_line: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
