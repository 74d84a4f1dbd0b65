"""Where scenarios play: the service under load, its customers and seats, and the meters beside it."""

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
    """A stretch of a run, from one mark to the next."""

    done: int
    """Expected answers since the run began."""
    seconds: float
    """Since then."""
    cpu_us: dict[str, float] | None
    """Of each part but the generator, for one expected answer of this stretch."""


class CaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one case."""

    column: Column
    tally: Tally
    cpu_us: dict[str, float] | None
    """CPU microseconds of each part for one expected answer; None where the processes cannot be seen."""
    memory_mib: dict[str, float] | None = None
    """Proportional memory of each part right after the run."""
    figures: dict[str, float] = {}
    """What this case alone tells, by its name in the table."""
    steps: tuple[Step, ...] = ()
    """Where the order asked for marks."""


class Environment(msgspec.Struct, kw_only=True):
    """What a scenario is given."""

    host: str
    port: int
    tokens: Callable[[], tuple[str, ...]]
    """Fresh access tokens, one for each of the benchmark's customers."""
    seats: SeatSupply
    cpu: CpuMeter | None
    warm_up_s: float
    measured_s: float

    async def drive(self, column: Column, job: Job, cpu: CpuMeter | None) -> CaseRun:
        """Makes one run in a generator process of its own and reads the CPU meters at its edges."""
        generator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.bench.generator.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
            process_group=0,  # Ctrl-C is for the benchmark alone
        )
        try:
            recovery_s = job.due.recovery_s if job.due else 0.0
            async with asyncio.timeout(job.warm_up_s + job.measured_s + recovery_s + SLACK_S):
                case_run = await self._follow(column, job, cpu, generator)
                await generator.wait()  # by itself: it has said its last
                return case_run
        except TimeoutError:
            raise SetupError("the generator does not come to an end") from None
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


def _each(used: Counter[str], answers: int) -> dict[str, float]:
    return {part: seconds * 1e6 / max(answers, 1) for part, seconds in used.items()}


def _steps(marks: list[tuple[int, float, Counter[str]]], *, seen: bool) -> tuple[Step, ...]:
    """`marks`: answers, seconds and CPU used, each since the beginning."""
    steps = []
    for (done_before, _, cpu_before), (done, seconds, cpu) in pairwise(marks):
        used = Counter(cpu)
        used.subtract(cpu_before)
        steps.append(Step(done, seconds, _each(used, done - done_before) if seen else None))
    return tuple(steps)
