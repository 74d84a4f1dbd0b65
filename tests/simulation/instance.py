"""A simulated instance: all processes, servers and clients of one run, drawn from one seed."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

from schemas.ids import fresh_command_id
from schemas.wire import COMMANDS_TOPIC
from seat_workers.worker import SeatWorker
from tests.simulation.clocks import START_MS
from tests.simulation.database import Database
from tests.simulation.fake_redis import FakeRedis
from tests.simulation.fakes import DatabaseLink
from tests.simulation.faults import FaultPlan, NetworkFaults, draw_plan
from tests.simulation.gateways import Gateway
from tests.simulation.halls import TWO_ROWS, Hall
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.observations import Observations
from tests.simulation.processes import Notifier, Worker
from tests.simulation.simulated_log import SimulatedLog

PARTITIONS = 2
"""Of the log at its creation. In some runs one is added: see added_partition.py."""


class SimulatedInstance:
    """The state of one run. Nothing in it is shared with another run."""

    def __init__(
        self,
        seed: int,
        *,
        tracing: bool = False,
        worker_type: type[SeatWorker] = SeatWorker,
        database_type: type[Database] = Database,
        hall: Hall = TWO_ROWS,
        max_shows: int = 3,
    ) -> None:
        self.hall = hall
        self.seed = seed
        self.random = Random(seed)
        self.loop = SimulatedLoop(self.random)
        self.plan: FaultPlan = draw_plan(self.random)
        self.only_redis_fails = self.plan.only_redis_fails()
        self.observations = Observations(self.loop.time, tracing=tracing)
        self.network = Network(self.loop, self.random, self.plan.network_faults)
        self.database = database_type()
        self.database.layouts[hall.digest] = hall.seating
        self.shows = [*range(1, 2 + self.random.randrange(max_shows))]
        self.database.partition_of_show = {show: self.random.randrange(PARTITIONS) for show in self.shows}
        self.database_away = False
        self.redis = FakeRedis(self.loop, self.network, self.observations)
        self.skipped_ms = 0
        """Time that was skipped, in addition to the time of the loop."""
        self.log_clock_offset_ms = 0
        """Offset of the log's clock from simulated time."""
        self.log = SimulatedLog(self.log_clock_ms)
        self.log.network, self.log.observations, self.log.random = (
            self.network,
            self.observations,
            self.random,
        )
        self.log.away = set()
        self.worker_type = worker_type
        self.max_seats_in_memory = self.random.choice(
            (2_000_000, 2_000_000, len(hall.labels), 2 * len(hall.labels))
        )
        self.max_claims_at_once = self.random.choice((4_000, 2, 0))
        """Larger shows are loaded in the background."""
        self.in_flight = self.random.choice(((1000, 1000, 1000), (1000, 1000, 1000), (6, 4, 2)))
        self.commit_s = self.random.choice((0.0, 0.0, 0.02, 0.1))
        self.clock_offsets = self.random.random() < 0.3
        self.failing_commands: set[UUID] = set()
        """Commands on which the rules raise."""
        self.requests_in_transit = 0
        """Number of requests that were sent and have not arrived."""
        self.staff: Any = None
        self.customers: list[Any] = []
        self.think_s = 0.05
        self.finished = False
        self.workers = [Worker(self, f"worker-{n}") for n in range(1, 1 + self.random.choice((1, 2, 2, 3)))]
        self.gateways = [Gateway(self, f"gateway-{n}") for n in range(1, 1 + self.random.choice((1, 2)))]
        self.notifier = Notifier(self, "notifier")
        self.processes = [*self.workers, *self.gateways, self.notifier]

    @property
    def partitions(self) -> range:
        """The partitions that the log has now."""
        return self.log.partitions(COMMANDS_TOPIC)

    def database_link(self) -> DatabaseLink:
        """A connection to the database for one process."""
        return DatabaseLink(self.network, lambda: self.database_away, self.commit_s)

    def draw_clock_offset_ms(self) -> int:
        """Draws the clock offset of a new process, in ms."""
        if not self.clock_offsets or not self.random.random() < 0.5:
            return 0
        return self.random.choice((-30_000, -5_000, -500, 500, 5_000, 30_000))

    def new_id(self, now_ms: int) -> UUID:
        """A command id for a timer of a worker."""
        return fresh_command_id(now_ms, self.random.getrandbits(74))

    def log_clock_ms(self) -> int:
        """Unix time in ms by the clock of the log."""
        return START_MS + int(self.loop.time() * 1000) + self.skipped_ms + self.log_clock_offset_ms

    def skip_to(self, log_ms: int) -> None:
        """Skips the time until the log's clock shows at least `log_ms`."""
        self.skipped_ms += max(0, log_ms - self.log_clock_ms())

    def stop_faults(self) -> None:
        """Ends all faults: servers are reachable again and suspended processes resume."""
        for name in NetworkFaults.__struct_fields__:
            setattr(self.network.faults, name, 0.0)
        self.database_away = self.database.full = False
        self.database.refused_seat = None
        self.redis.down = False
        self.log.away.clear()
        for process in self.processes:
            process.part.stop_at = None
            process.resume(process.part)
