"""Each runbook of docs/runbooks.md: its commands print what the page says, in the state that it is for, and it ends."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.wire import COMMANDS_TOPIC
from tests.e2e.nginx_server import NGINX, Nginx
from tests.e2e.runbook_instance import RunbookInstance, repeated
from tests.e2e.runbook_page import Command, Part, matches, read_runbooks
from tests.e2e.running import AISLE, free_port
from tests.kafka_fixture import start_node

RUNBOOKS = read_runbooks((Path(__file__).parents[2] / "docs" / "runbooks.md").read_text())
SOON_S = 60
LOCKED = """
SELECT count(*) FROM pg_locks
 WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'bookings'::regclass"""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunbookInstance]:
    folder = tmp_path_factory.mktemp("runbooks")
    kafka = start_node(folder / "kafka")
    running = None
    try:
        running = RunbookInstance(folder, kafka)
        running.start_all()
        yield running
        verified = running.command("verify")
        assert not verified.returncode, verified.stdout + verified.stderr
        assert running.stop() == 0, running.output.read_text()[-4000:]
    finally:
        if running is not None:
            running.end()
        kafka.kill()


class Runbook:
    """One runbook of the page, on the instance."""

    def __init__(self, instance: RunbookInstance, title: str, **variables: str) -> None:
        self.instance = instance
        self.parts = RUNBOOKS[title]
        self.variables = variables

    def see(self) -> None:
        """Each command prints what the page says, within a while."""
        self._until_so(Part.SEE)

    def over(self) -> None:
        self._until_so(Part.OVER)

    def do(self) -> None:
        """Each command, once."""
        for command in self.parts[Part.DO]:
            printed = self._run(command)
            assert matches(command.output, printed), _difference(command, printed)

    def _until_so(self, part: Part) -> None:
        for command in self.parts[part]:
            deadline = time.monotonic() + SOON_S
            while not matches(command.output, printed := self._run(command)):
                assert time.monotonic() < deadline, _difference(command, printed)
                time.sleep(0.5)

    def _run(self, command: Command) -> str:
        return self.instance.shell(command.line, self.variables)


def _difference(command: Command, printed: str) -> str:
    return "\n".join(["", f"$ {command.line}", "the page says:", *command.output, "it prints:", printed])


def book(instance: RunbookInstance, show: int, *, count: int = 1) -> None:
    """Sends bookings of one seat each, without waiting for decisions."""

    async def send() -> None:
        async with instance.client(1000) as client:
            for _ in range(count):
                answer = await client.post(
                    f"/api/shows/{show}/bookings", json={"quantity": 1}, headers={"Prefer": "respond-async"}
                )
                assert answer.status_code in (202, 409), answer.text

    asyncio.run(send())


def new_show(instance: RunbookInstance) -> int:
    return asyncio.run(instance.make_show(100, partition=0))


def test_lag_grows(instance: RunbookInstance) -> None:
    show = new_show(instance)
    runbook = Runbook(instance, "Lag grows")
    held = [str(AISLE), "psql", "-c", "BEGIN; LOCK TABLE bookings; SELECT pg_sleep(1000)"]
    forgotten = subprocess.Popen(
        held,
        env=instance.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _until(lambda: instance.shell(f'aisle psql -qtAc "{LOCKED}"', {}).strip() == "1", "no lock")
        book(instance, show, count=3)
        runbook.see()
        runbook.do()
        runbook.over()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(forgotten.pid, signal.SIGKILL)  # psql as well
        forgotten.wait()


def test_partition_without_an_owner(instance: RunbookInstance) -> None:
    workers = instance.pids("seat_workers")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        runbook = Runbook(instance, "A partition without an owner")
        runbook.see()
        runbook.do()
        runbook.over()
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_poison_record(instance: RunbookInstance) -> None:
    async def append() -> None:
        async with AIOKafkaProducer(bootstrap_servers=instance.kafka.address) as producer:
            await producer.send_and_wait(COMMANDS_TOPIC, b'{"type": "BookSe\xff', partition=1)

    asyncio.run(append())
    runbook = Runbook(instance, "A poison record")
    runbook.see()
    runbook.do()
    runbook.over()


def test_disk_full(instance: RunbookInstance) -> None:
    if not instance.small_disk:
        pytest.skip("no small disk can be had here")
    filler = instance.disk / "filler"
    more_log = 'aisle psql -qtc "SELECT pg_switch_wal(); UPDATE partitions SET owner = owner"'
    runbook = Runbook(instance, "Disk full", DATA=str(instance.disk / "postgres"))
    _fill(filler)
    try:
        _until(lambda: "server" in instance.shell(more_log, {}), "PostgreSQL still has room")
        runbook.see()
        runbook.do()
    finally:
        filler.unlink()
        instance.postgres.stop()
        instance.postgres.start()
    runbook.over()


def test_postgres_down(instance: RunbookInstance) -> None:
    runbook = Runbook(instance, "PostgreSQL down", POSTGRES_LOG=str(instance.postgres.embedded.log))
    instance.postgres.stop()
    try:
        runbook.see()
        runbook.do()
    finally:
        instance.postgres.start()
    runbook.over()


def test_kafka_down(instance: RunbookInstance) -> None:
    runbook = Runbook(instance, "Kafka down")
    instance.kafka.kill()
    try:
        runbook.see()
    finally:
        instance.kafka.start()
    runbook.over()


def test_redis_down(instance: RunbookInstance) -> None:
    runbook = Runbook(instance, "Redis down")
    instance.redis.stop()
    try:
        runbook.see()
    finally:
        instance.redis.start()
    runbook.over()


def test_hot_show(instance: RunbookInstance) -> None:
    show = new_show(instance)
    with repeated(lambda: book(instance, show)):
        runbook = Runbook(instance, "A hot show")
        runbook.see()
    runbook.do()
    runbook.over()


def test_wrong_show_cancelled(instance: RunbookInstance) -> None:
    show = new_show(instance)
    create = (
        "echo correct-horse-b | aisle users create --username ada --email ada@venue.example --password-stdin"
    )
    user = int(instance.shell(create, {}).rstrip(".\n").rpartition(" ")[2])

    async def book_and_cancel() -> None:
        async with instance.client(user) as customer:
            booked = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["1", "2"]})
            assert booked.status_code == 201, booked.text
        async with instance.client(2, "admin") as staff:
            cancelled = await staff.post(f"/api/shows/{show}/cancel")
            assert cancelled.status_code == 200, cancelled.text

    asyncio.run(book_and_cancel())
    runbook = Runbook(instance, "A wrong show cancelled", SHOW=str(show), T=instance.token(2, "admin"))
    runbook.see()
    runbook.do()
    runbook.over()


def send_what_is_due(instance: RunbookInstance) -> None:
    """Has the e-mails sent that earlier runbooks left to be tried again."""
    due = "UPDATE deliveries SET due_at = now() WHERE status = 'due'"
    left = "SELECT count(*) FROM deliveries WHERE status = 'due'"
    _until(
        lambda: instance.shell(f'aisle psql -qtAc "{due}; {left}"', {}).strip() == "0",
        "e-mails stay due while the mail server works",
    )


def test_emails_not_going_out(instance: RunbookInstance) -> None:
    send_what_is_due(instance)
    instance.mail.stop()
    signed_up = {"username": "grace", "email": "grace@venue.example", "password": "correct-horse-b"}

    async def sign_up() -> None:
        async with instance.client(1000) as client:
            answer = await client.post("/api/signup", json=signed_up)
            assert answer.status_code == 201, answer.text

    runbook = Runbook(instance, "E-mails not going out")
    try:
        asyncio.run(sign_up())
        runbook.see()
        runbook.do()
    finally:
        instance.mail.start()
    runbook.over()


@pytest.mark.skipif(NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is missing")
def test_certificate_expired(instance: RunbookInstance, tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, instance.port, free_port())
    valid, expired = nginx.certificate.read_bytes(), expired_certificate(tmp_path / "key.pem")
    trusted, programs = tmp_path / "trusted.pem", tmp_path / "programs"
    trusted.write_bytes(valid + expired)
    programs.mkdir()
    (programs / "nginx").write_text(f'#!/bin/sh\nexec {shlex.join(nginx.command)} "$@"\n')
    (programs / "nginx").chmod(0o755)
    runbook = Runbook(
        instance,
        "A certificate expired",
        SITE=f"localhost:{nginx.port}",
        CURL_CA_BUNDLE=str(trusted),
        PATH=f"{programs}:{instance.variables['PATH']}",
    )
    try:
        nginx.start()
        nginx.certificate.write_bytes(expired)
        subprocess.run([*nginx.command, "-s", "reload"], check=True)
        runbook.see()
        nginx.certificate.write_bytes(valid)
        runbook.do()
        runbook.over()
    finally:
        nginx.stop()


def test_keys_leaked(instance: RunbookInstance) -> None:
    runbook = Runbook(instance, "Keys leaked", STOLEN=instance.token(2, "admin"))
    runbook.see()
    runbook.do()
    assert instance.stop() == 0
    asyncio.run(instance.start())
    runbook.over()


def expired_certificate(key_file: Path) -> bytes:
    """Returns a certificate of this key for `localhost`, valid until yesterday."""
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - timedelta(days=30)).not_valid_after(today - timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(2**12)):
            pass


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, what
