"""Environment of a scenario: the service under load, its accounts and seats, and the CPU meter."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import msgspec

from loadtest.bench.generator.jobs import Failed, Finished, Job, Mark, Started, Tally, decode_message, encode
from loadtest.bench.memory import memory_mib
from loadtest.bench.processes import CpuMeter
from loadtest.bench.report.columns import Column
from loadtest.bench.shows import SeatSupply
from loadtest.client import SetupError

SLACK_S = 60.0


class Step(msgspec.Struct, frozen=True):
    """A part of a run, from one mark to the next."""

    done: int
    """Expected responses since the start of the run."""
    seconds: float
    """Since the start of the run."""
    cpu_us: dict[str, float] | None
    """CPU of each part but the generator, per expected response of this step."""


class CaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one case."""

    column: Column
    tally: Tally
    cpu_us: dict[str, float] | None
    """CPU microseconds of each part per expected response; None where the processes are not visible."""
    memory_mib: dict[str, float] | None = None
    """Proportional memory of each part right after the run."""
    figures: dict[str, float] = {}
    """Figures of this case alone, by their names in the table."""
    steps: tuple[Step, ...] = ()
    """Steps between marks, where the job has marks."""


class Environment(msgspec.Struct, kw_only=True):
    """The service under load, with all that a scenario needs."""

    host: str
    port: int
    tokens: Callable[[], tuple[str, ...]]
    """Returns valid access tokens, one for each customer."""
    seats: SeatSupply
    cpu: CpuMeter | None
    warm_up_s: float
    measured_s: float

    async def drive(self, column: Column, job: Job, cpu: CpuMeter | None) -> CaseRun:
        """Runs one job in a new generator process and reads the CPU meter at its start and end."""
        generator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.bench.generator.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
            process_group=0,  # Ctrl-C reaches the benchmark alone
        )
        try:
            recovery_s = job.schedule.recovery_s if job.schedule else 0.0
            async with asyncio.timeout(job.warm_up_s + job.measured_s + recovery_s + SLACK_S):
                case_run = await self._follow(column, job, cpu, generator)
                await generator.wait()  # it ends by itself after its last message
                return case_run
        except TimeoutError:
            raise SetupError("the generator does not end") from None
        finally:
            if generator.returncode is None:
                generator.kill()
            await generator.wait()

    async def _follow(
        self, column: Column, job: Job, cpu: CpuMeter | None, generator: asyncio.subprocess.Process
    ) -> CaseRun:
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(encode(job))
        await generator.stdin.drain()
        generator.stdin.close()
        before: Counter[str] = Counter()
        used: Counter[str] = Counter()
        marks: list[tuple[int, float, Counter[str]]] = []
        async for line in generator.stdout:
            match decode_message.decode(line):
                case Started():
                    before = cpu.read() if cpu else before
                    marks.append((0, 0.0, before))
                case Mark(done, seconds):
                    marks.append((done, seconds, cpu.read() if cpu else before))
                case Finished():
                    used = cpu.read() if cpu else used
                    used.subtract(before)
                case Failed(message):
                    raise SetupError(message)
                case Tally() as tally:
                    used.update({"generator": tally.cpu_s})
                    return CaseRun(
                        column=column,
                        tally=tally,
                        cpu_us=_each(used, tally.expected) if cpu else None,
                        memory_mib=memory_mib(cpu) if cpu else None,
                        steps=_steps(marks, seen=cpu is not None),
                    )
        raise SetupError(f"the generator ended with status {await generator.wait()} and no tally")


def _each(used: Counter[str], responses: int) -> dict[str, float]:
    return {part: seconds * 1e6 / max(responses, 1) for part, seconds in used.items()}


def _steps(marks: list[tuple[int, float, Counter[str]]], *, seen: bool) -> tuple[Step, ...]:
    """`marks`: responses, seconds and CPU used, each since the start."""
    steps = []
    for (done_before, _, cpu_before), (done, seconds, cpu) in pairwise(marks):
        used = Counter(cpu)
        used.subtract(cpu_before)
        steps.append(Step(done, seconds, _each(used, done - done_before) if seen else None))
    return tuple(steps)
