"""`make containers`: exit status 0 when the check passed, or when containers cannot run here; 1 when it failed."""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from ops.kafka.jars import missing_program
from tests.containers.check import Check
from tests.containers.customers import Lost
from tests.containers.engine import Engine, Project
from tests.containers.images import CHECKOUT, build_images, make_base
from tests.containers.machine import obstacle
from tests.e2e.running import free_port

FOLDER = CHECKOUT / ".aisle-containers"


def main() -> int:
    """Runs the check and removes its containers, networks and volumes. Images stay for the next run."""
    parser = argparse.ArgumentParser(prog="make containers", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the containers running, to look at them")
    parser.add_argument("--as-built", action="store_true", help="use the images of the last run as they are")
    parser.add_argument("--images", type=Path, default=FOLDER, help="folder of the images and containers")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended in order
    if (reason := obstacle() or missing_program()) is not None:
        _say(f"Containers were not tested here: {reason}")
        return 0
    began = time.monotonic()

    def say(line: str) -> None:
        _say(f"{time.monotonic() - began:6.1f} s  {line}")

    engine = Engine(options.images)
    engine.reset()
    try:
        if not options.as_built:
            say("building images; the first time takes some minutes")
            try:
                make_base(engine)
            except (subprocess.CalledProcessError, OSError) as error:
                say(f"Containers were not tested here: a bare Debian does not run in one: {error}")
                return 0
            build_images(engine)
            say("images built")
        site, mail = free_port(), free_port()
        compose = Project(engine, CHECKOUT, {"PUBLISHED_PORT": site, "PUBLISHED_MAIL_PORT": mail})
        check = Check(engine, compose, f"http://127.0.0.1:{site}", f"http://127.0.0.1:{mail}", say)
        asyncio.run(check.run())
    except (Lost, httpx.HTTPError, subprocess.CalledProcessError) as error:
        say(f"failed: {error}")
        _show_logs(engine)
        return 1
    finally:
        if not options.keep:
            engine.reset()
    say("passed")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _show_logs(engine: Engine) -> None:
    """Prints the last lines of every container."""
    for name in engine.podman("ps", "--all", "--format", "{{.Names}}").split():
        state = engine.inspect(name)["State"]
        _say(f"--- {name}: {state['Status']}, exit status {state['ExitCode']}")
        _say(engine.logs(name, 15))


if __name__ == "__main__":
    sys.exit(main())
