"""Where scenarios play: the service under load, its customers and seats, and the meters beside it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable

import msgspec

from loadtest.bench.client import SetupError
from loadtest.bench.orders import Begun, Ended, Failed, Order, Tally, decode_line, encode
from loadtest.bench.processes import CpuMeter
from loadtest.bench.shows import SeatSupply

SLACK_S = 60.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one case of a scenario."""

    case: str
    tally: Tally
    cpu_us: dict[str, float] | None
    """CPU microseconds of each part for one expected answer; None where the processes cannot be seen."""


class Stage(msgspec.Struct, kw_only=True):
    """What a scenario is given."""

    host: str
    port: int
    tokens: Callable[[], tuple[str, ...]]
    """Fresh access tokens, one for each of the benchmark's customers."""
    seats: SeatSupply
    cpu: CpuMeter | None
    warm_up_s: float
    measured_s: float

    async def drive(self, case: str, order: Order, cpu: CpuMeter | None) -> Measured:
        """Makes one run in a generator process of its own and reads the CPU meters at its edges."""
        generator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.bench.generator",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
            process_group=0,  # Ctrl-C is for the benchmark alone
        )
        try:
            async with asyncio.timeout(order.warm_up_s + order.measured_s + SLACK_S):
                return await self._follow(case, order, cpu, generator)
        except TimeoutError:
            raise SetupError("the generator does not come to an end") from None
        finally:
            if generator.returncode is None:
                generator.kill()
            await generator.wait()

    async def _follow(
        self, case: str, order: Order, cpu: CpuMeter | None, generator: asyncio.subprocess.Process
    ) -> Measured:
        assert generator.stdin is not None
        assert generator.stdout is not None
        generator.stdin.write(encode(order))
        await generator.stdin.drain()
        generator.stdin.close()
        before: Counter[str] = Counter()
        used: Counter[str] = Counter()
        async for line in generator.stdout:
            match decode_line.decode(line):
                case Begun():
                    before = cpu.read() if cpu else before
                case Ended():
                    used = cpu.read() if cpu else used
                    used.subtract(before)
                case Failed(message):
                    raise SetupError(message)
                case Tally() as tally:
                    return Measured(case=case, tally=tally, cpu_us=_each(used, tally) if cpu else None)
        raise SetupError(f"the generator ended with status {await generator.wait()} and no tally")


def _each(used: Counter[str], tally: Tally) -> dict[str, float]:
    expected = max(tally.expected, 1)
    each = {part: seconds * 1e6 / expected for part, seconds in used.items()}
    return each | {"generator": tally.cpu_s * 1e6 / expected}
