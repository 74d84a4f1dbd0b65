"""The check: start, a booking up to its e-mail, more seat workers, and a container that is killed under load."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from functools import partial

import httpx

from tests.containers.customers import Crowd, Customer, Lost, new_show
from tests.containers.engine import Engine, Project

_SERVERS = ("postgres", "redis", "kafka", "mail")
_ONE_SHOTS = ("migrate", "sample-data")
_SERVICES = ("gateway", "seat-worker", "notifier", "proxy")
_READY_S = 120.0
_MAIL_S = 60.0
_CUSTOMERS = 6
_PARTITIONS_TAKEN = "partitions_assigned"


class Check:
    """One run on a project that has nothing yet. Each step raises Lost or CalledProcessError when it fails."""

    def __init__(
        self, engine: Engine, compose: Project, site: str, mail: str, say: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._compose = compose
        self._site = site
        self._mail = mail
        self._say = say

    async def run(self) -> None:
        self._start()
        await self._book_until_the_email()
        crowd = Crowd(self._site, _CUSTOMERS)
        try:
            await crowd.start(await new_show(self._site))
            await crowd.wait_for(20, 60)
            self._scale(4)
            await crowd.wait_for(20, 60)
            for service in ("seat-worker", "gateway"):
                self._kill(service)
                await crowd.wait_for(20, 60)
                self._wait_running(service, {"seat-worker": 4, "gateway": 2}[service])
            await crowd.finish()
            longest = max(customer.longest_s for customer in crowd.customers)
            repeated = sum(customer.repeated for customer in crowd.customers)
            self._say(
                f"{crowd.booked} bookings answered and all stored; {repeated} requests repeated, longest wait"
                f" {longest:.1f} s"
            )
        finally:
            await crowd.close()
        self._verify()

    def _start(self) -> None:
        """Starts services in the order that `depends_on` of compose.yaml gives.

        Compose does so itself; podman-compose cannot, as podman waits for a healthy container from 4.6 on only, and
        takes a one-shot container that has completed for one that has to be started again.
        """
        self._compose.up(*_SERVERS)
        for service in _SERVERS:
            (name,) = self._engine.names(service)
            self._wait(partial(self._engine.succeeds, "healthcheck", "run", name), f"{name} is healthy")
        for service in _ONE_SHOTS:
            self._compose.up(service)
            self._wait(partial(self._has_completed, service), f"{service} has completed")
        self._compose.up(*_SERVICES)
        self._wait(self._ready, "the instance is ready")
        for name in self._engine.names("gateway"):
            self._wait(partial(self._engine.succeeds, "healthcheck", "run", name), f"{name} is healthy")
        self._say("all services run")

    def _has_completed(self, service: str) -> bool:
        state = self._engine.inspect(f"{self._engine.project}_{service}_1")["State"]
        if state["Status"] == "exited" and state["ExitCode"] != 0:
            raise Lost(f"{service} ended with exit status {state['ExitCode']}")
        return bool(state["Status"] == "exited")

    async def _book_until_the_email(self) -> None:
        customer = Customer(self._site, f"ada-{uuid.uuid4().hex[:8]}")
        try:
            await customer.join()
            show = (await customer.shows())[0]["id"]
            seats = await customer.free_seats(show)
            if not await customer.book(show, seats[0]):
                raise Lost(f"seat {seats[0]} of show {show} was refused")
            self._wait(partial(self._has_ticket, customer.email), "the e-mail is there", _MAIL_S)
        finally:
            await customer.close()
        self._say("a seat is booked, and its e-mail is in the catcher")

    def _scale(self, workers: int) -> None:
        self._compose.up("seat-worker", scale=f"seat-worker={workers}")
        self._wait_running("seat-worker", workers)
        for name in self._engine.names("seat-worker"):
            self._wait(partial(self._has_partitions, name), f"{name} has partitions")
        self._say(f"{workers} seat workers share the partitions")

    def _kill(self, service: str) -> None:
        name = self._engine.names(service)[0]
        # From outside, as the kernel would: what podman kills itself it does not start again.
        os.kill(self._engine.inspect(name)["State"]["Pid"], signal.SIGKILL)
        self._say(f"{name} killed")

    def _verify(self) -> None:
        name = self._engine.names("gateway")[0]
        lines = self._engine.podman("exec", name, "aisle", "verify").strip().splitlines()
        self._say(f"aisle verify: {lines[-1]}")

    def _wait_running(self, service: str, number: int) -> None:
        self._wait(
            lambda: len(self._engine.names(service)) == number, f"{number} containers of {service} run"
        )

    def _has_partitions(self, name: str) -> bool:
        return _PARTITIONS_TAKEN in self._engine.logs(name)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self._site}/health/ready", timeout=3).status_code == 200
        except httpx.TransportError:
            return False

    def _has_ticket(self, address: str) -> bool:
        messages = httpx.get(f"{self._mail}/api/v1/messages", timeout=3).json()["messages"]
        return any(message["Attachments"] and message["To"][0]["Address"] == address for message in messages)

    def _wait(self, condition: Callable[[], bool], what: str, within_s: float = _READY_S) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                raise Lost(f"not after {within_s:.0f} s: {what}")
            time.sleep(0.5)
