"""Life of a Locust run: number of users over time, and the check at its end.

In a distributed run the workers send their observations to the master, which checks all of them.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
from locust import LoadTestShape
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import MasterRunner, WorkerRunner

from loadtest.locust.check import find_errors
from loadtest.locust.observations import Batch, Collector, Observations
from loadtest.locust.options import read_shared_state
from loadtest.locust.service import Service, ServiceError, read_state
from loadtest.locust.shapes import Shape, user_count_at
from loadtest.locust.shared_state import NotReady, current_state, set_current_state
from loadtest.locust.summary import MAX_LISTED, check_summary, outcome_summary

STOP_S = 15.0
"""Time limit for users to end their current actions."""
_BATCH = "observations"


class LoadShape(LoadTestShape):
    """Locust shape: `--users` users, over time as `--shape` defines, for `--seconds`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        users = int(options.num_users or 1)
        shape, length_s = Shape(options.shape), float(options.seconds)
        at_s = time.perf_counter() - self.start_time
        target = user_count_at(shape, at_s, users=users, length_s=length_s)
        if target is None:
            # Without a web page Locust would end the workers before they have sent their observations.
            self.runner.stop()
        return target


class Run:
    """One process of a run: standalone, master or worker."""

    def __init__(self, environment: Environment) -> None:
        assert environment.runner is not None
        self._environment = environment
        self._runner = environment.runner
        self._cpu_reported_s = 0.0
        self._batches_sent = 0
        self._collector = Collector()
        self._workers: set[str] = set()
        self._report_lines: list[str] = []

    def register(self) -> None:
        """Registers the listeners for messages and for events of the run."""
        environment = self._environment
        events: Any = environment.events  # untyped in Locust
        options = environment.parsed_options
        if options is not None and options.headless and not isinstance(self._runner, WorkerRunner):
            try:
                read_shared_state(environment, 0)
            except (NotReady, ServiceError) as error:
                sys.exit(f"loadtest: {error}")
        environment.stop_timeout = max(environment.stop_timeout or 0.0, STOP_S)
        events.test_start.add_listener(self._start)
        if isinstance(self._runner, WorkerRunner):
            environment.process_exit_code = 0  # failures are reported by the master
            events.report_to_master.add_listener(self._send_batch)
            events.test_stop.add_listener(lambda **_: self._send_batch(last=True))
            return
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(_BATCH, self._receive_batch)
            events.test_stopping.add_listener(self._record_workers)
        events.test_stop.add_listener(self._finish)
        events.quit.add_listener(self._print_report)

    def _start(self, **_: Any) -> None:
        number = self._runner.worker_index if isinstance(self._runner, WorkerRunner) else 0
        try:
            set_current_state(read_shared_state(self._environment, number))
        except (NotReady, ServiceError) as error:
            set_current_state(None)
            self._environment.process_exit_code = 1
            print(f"loadtest: {error}", flush=True)
            raise StopTest(str(error)) from None
        self._cpu_reported_s = time.process_time()
        self._batches_sent, self._collector = 0, Collector()

    def _send_batch(self, *, last: bool = False, **_: Any) -> None:
        assert isinstance(self._runner, WorkerRunner)
        try:
            observations = current_state().observations
        except NotReady:
            return
        if last:
            set_current_state(None)
            # A worker waits for this time again before it is ready, and is not stopped until then.
            self._environment.stop_timeout = 0.0
        self._count_cpu(observations)
        batch = Batch(self._runner.client_id, self._batches_sent, last, observations.drain())
        self._batches_sent += 1
        self._runner.send_message(_BATCH, msgspec.to_builtins(batch, builtin_types=(bytes,)))

    def _record_workers(self, **_: Any) -> None:
        assert isinstance(self._runner, MasterRunner)
        clients = self._runner.clients
        self._workers = {worker.id for worker in (*clients.running, *clients.spawning)}

    def _receive_batch(self, msg: Any, **_: Any) -> None:
        self._collector.take(msgspec.convert(msg.data, Batch), current_state().observations)

    def _count_cpu(self, observations: Observations) -> None:
        now_s = time.process_time()
        observations.cpu_s += now_s - self._cpu_reported_s
        self._cpu_reported_s = now_s

    def _finish(self, **_: Any) -> None:
        self._environment.process_exit_code = 1
        try:
            observations = current_state().observations
        except NotReady:
            return
        self._count_cpu(observations)
        if missing := self._collector.missing(self._workers):
            self._report_lines = [f"NOT CHECKED: observations of workers {', '.join(missing)} are missing."]
        else:
            self._report_lines = [*outcome_summary(observations), *self._check(observations)]
        options = self._environment.parsed_options
        if options is None or not options.headless:
            self._print_report()

    def _check(self, observations: Observations) -> list[str]:
        shared, options = current_state(), self._environment.parsed_options
        assert options is not None
        alone = set(shared.shows) if options.alone else set()
        customers_seen = {one.customer for one in observations.acknowledged} | {
            one.customer for one in observations.unknown
        }
        customers = range(len(shared.tokens)) if options.alone else sorted(customers_seen)
        shows = {one.show_id for one in observations.acknowledged} | alone
        print("All users have stopped; reading bookings and seat maps …", flush=True)
        try:
            with Service(self._environment.host or "", shared.tokens) as service:
                state = read_state(service, customers, shows, alone=alone)
        except ServiceError as error:
            return [f"NOT CHECKED: {error}"]
        errors = find_errors(observations.acknowledged, observations.unknown, state)
        for line in errors[:MAX_LISTED]:
            # Also listed among the failures on the web page.
            self._environment.stats.log_error("CHECK", "check", line)
        if not errors and not self._runner.errors and not self._runner.exceptions:
            self._environment.process_exit_code = 0
        return check_summary(observations, errors)

    def _print_report(self, **_: Any) -> None:
        """Prints the report below Locust's tables."""
        print("\n".join(self._report_lines), flush=True)
        self._report_lines = []
