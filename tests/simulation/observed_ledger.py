"""A worker's fake ledger that records takes and commits."""

from __future__ import annotations

from collections.abc import Sequence

from seat_workers.batch import Batch
from seat_workers.ledger import PartitionState
from tests.simulation.database import Database
from tests.simulation.fake_ledger import FakeLedger, Link
from tests.simulation.network import Network
from tests.simulation.observations import Commit, Observations
from tests.simulation.torn_tables import torn_tables


class ObservedLedger(FakeLedger):
    """Records takes and commits at the moment the database executes them."""

    def __init__(
        self, database: Database, link: Link, network: Network, observations: Observations, name: str
    ) -> None:
        super().__init__(_ObservedDatabase(database, network, observations, name), link)  # type: ignore[arg-type]


class _ObservedDatabase:
    """The database as seen by one worker's ledger."""

    def __init__(self, database: Database, network: Network, observations: Observations, name: str) -> None:
        self._database = database
        self._network = network
        self._observations = observations
        self._name = name

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def take(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        taken = self._database.take(partitions)
        at = self._observations.count()
        self._observations.takes += [(at, self._name, partition) for partition in taken]
        for partition, state in taken.items():
            self._observations.log(
                self._name,
                f"takes partition {partition}: epoch {state.epoch}, next {state.next_offset},"
                f" published {state.published_offset}",
            )
        return taken

    def commit(self, batch: Batch) -> None:
        refused: Exception | None = None
        try:
            self._database.commit(batch)
        except Exception as error:
            refused = error
            raise
        finally:
            at = self._observations.count()
            self._observations.commits.append(Commit(at, self._name, batch, refused, self._network.unawaited))
            if refused is None:
                self._observations.log(self._name, "commits", batch)
                torn = torn_tables(self._database, {show.show_id for show in batch.shows})
                self._observations.torn_tables += [f"{one}, by a commit of {self._name}" for one in torn]
            else:
                self._observations.log(self._name, "commit refused:", refused, batch)
