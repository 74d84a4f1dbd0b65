"""`python -m tests.servers`: runs the servers of the tests until Ctrl-C, so that a single test starts at once."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack

import typer

from ops.kafka.jars import missing_program
from ops.kafka.node import KafkaNode, free_ports
from ops.local.embedded import run_servers
from ops.local.home import lock_home
from runtime.process import CannotStart
from tests.running_servers import HOME, KAFKA_ADDRESS, postgres, redis


def main() -> None:
    """Runs PostgreSQL, Redis and, with Java and Maven, Kafka."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        stack.enter_context(lock_home(HOME, "`make servers`"))
        stack.enter_context(run_servers(postgres(), redis()))
        typer.echo(f"PostgreSQL  {postgres().url_of('postgres')}\nRedis       {redis().url}")
        if (missing := missing_program()) is None:
            kafka = KafkaNode(HOME / "kafka", free_ports(1)[0])
            stack.callback(kafka.stop)
            kafka.start()
            stack.callback(KAFKA_ADDRESS.unlink)
            KAFKA_ADDRESS.write_text(kafka.address)
            typer.echo(f"Kafka       {kafka.address}")
        else:
            typer.echo(f"No Kafka: {missing}")
        typer.echo("\nTests use them now. Ctrl-C stops them.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    try:
        main()
    except CannotStart as error:
        sys.exit(f"make servers: {error}")
