"""What a Locust run of ours has around its people: how they come, and the comparison once they have gone.

In a distributed run the workers hand what their people saw to the master, and the master compares.
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

from loadtest.locust.check import wrongs
from loadtest.locust.observations import Gathering, Handed, Sightings
from loadtest.locust.options import town
from loadtest.locust.service import NoAnswer, Service, look
from loadtest.locust.shapes import Shape, crowd_at
from loadtest.locust.shared_state import NotReady, here, settle
from loadtest.locust.summary import TOLD_AT_MOST, judgement, story

STOP_S = 15.0
"""How long people may take to end what they have begun."""
_HANDED_OVER = "sightings"


class CrowdShape(LoadTestShape):
    """Sends as many people as `--users`, the way `--shape` says, for `--seconds`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        people = int(options.num_users or 1)
        shape, length_s = Shape(options.shape), float(options.seconds)
        at_s = time.perf_counter() - self.start_time
        crowd = crowd_at(shape, at_s, people=people, length_s=length_s)
        if crowd is None:
            # Without a web page Locust would end the workers before they have told what their people saw.
            self.runner.stop()
        return crowd


class Run:
    """One process of a run: on its own, the master, or a worker."""

    def __init__(self, environment: Environment) -> None:
        assert environment.runner is not None
        self._environment = environment
        self._runner = environment.runner
        self._cpu_told_s = 0.0
        self._handed = 0
        self._gathering = Gathering()
        self._workers: set[str] = set()
        self._last_words: list[str] = []

    def wire(self) -> None:
        """Connects the process to the others and to the events of the run."""
        environment = self._environment
        events: Any = environment.events  # which have no types
        options = environment.parsed_options
        if options is not None and options.headless and not isinstance(self._runner, WorkerRunner):
            try:
                town(environment, 0)
            except (NotReady, NoAnswer) as error:
                sys.exit(f"loadtest: {error}")
        environment.stop_timeout = max(environment.stop_timeout or 0.0, STOP_S)
        events.test_start.add_listener(self._start)
        if isinstance(self._runner, WorkerRunner):
            environment.process_exit_code = 0  # what failed, the master tells
            events.report_to_master.add_listener(self._hand_over)
            events.test_stop.add_listener(lambda **_: self._hand_over(last=True))
            return
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(_HANDED_OVER, self._taken)
            events.test_stopping.add_listener(self._note_workers)
        events.test_stop.add_listener(self._compare)
        events.quit.add_listener(self._say)

    def _start(self, **_: Any) -> None:
        number = self._runner.worker_index if isinstance(self._runner, WorkerRunner) else 0
        try:
            settle(town(self._environment, number))
        except (NotReady, NoAnswer) as error:
            settle(None)
            self._environment.process_exit_code = 1
            print(f"loadtest: {error}", flush=True)
            raise StopTest(str(error)) from None
        self._cpu_told_s = time.process_time()
        self._handed, self._gathering = 0, Gathering()

    def _hand_over(self, *, last: bool = False, **_: Any) -> None:
        assert isinstance(self._runner, WorkerRunner)
        try:
            sightings = here().sightings
        except NotReady:
            return
        if last:
            settle(None)
            # A worker sits out this time once more before it is ready, and is not told to quit until then.
            self._environment.stop_timeout = 0.0
        self._count_cpu(sightings)
        handed = Handed(self._runner.client_id, self._handed, last, sightings.hand_over())
        self._handed += 1
        self._runner.send_message(_HANDED_OVER, msgspec.to_builtins(handed, builtin_types=(bytes,)))

    def _note_workers(self, **_: Any) -> None:
        assert isinstance(self._runner, MasterRunner)
        clients = self._runner.clients
        self._workers = {worker.id for worker in (*clients.running, *clients.spawning)}

    def _taken(self, msg: Any, **_: Any) -> None:
        self._gathering.take(msgspec.convert(msg.data, Handed), here().sightings)

    def _count_cpu(self, sightings: Sightings) -> None:
        now_s = time.process_time()
        sightings.cpu_s += now_s - self._cpu_told_s
        self._cpu_told_s = now_s

    def _compare(self, **_: Any) -> None:
        self._environment.process_exit_code = 1
        try:
            sightings = here().sightings
        except NotReady:
            return
        self._count_cpu(sightings)
        if missing := self._gathering.missing(self._workers):
            self._last_words = [f"NOT CHECKED: what the people of {', '.join(missing)} saw is missing."]
        else:
            self._last_words = [*story(sightings), *self._judged(sightings)]
        options = self._environment.parsed_options
        if options is None or not options.headless:
            self._say()

    def _judged(self, sightings: Sightings) -> list[str]:
        life, options = here(), self._environment.parsed_options
        assert options is not None
        alone = set(life.shows) if options.alone else set()
        who = {one.customer for one in sightings.seen} | {one.customer for one in sightings.doubts}
        customers = range(len(life.tokens)) if options.alone else sorted(who)
        shows = {one.show_id for one in sightings.seen} | alone
        print("Everybody has gone home; asking the service what there is …", flush=True)
        try:
            with Service(self._environment.host or "", life.tokens) as service:
                looked = look(service, customers, shows, alone=alone)
        except NoAnswer as error:
            return [f"NOT CHECKED: {error}"]
        told = wrongs(sightings.seen, sightings.doubts, looked)
        for wrong in told[:TOLD_AT_MOST]:
            # Among the failures on the web page, too.
            self._environment.stats.log_error("CHECK", "as people were told", wrong)
        if not told and not self._runner.errors and not self._runner.exceptions:
            self._environment.process_exit_code = 0
        return judgement(sightings, told)

    def _say(self, **_: Any) -> None:
        """Without a web page this comes last, below Locust's tables."""
        print("\n".join(self._last_words), flush=True)
        self._last_words = []
