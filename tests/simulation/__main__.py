"""`python -m tests.simulation` runs many schedules on all cores, and continues where it was stopped."""

from __future__ import annotations

import argparse
import gc
import hashlib
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from tests.simulation.modes import ALL_COMMANDS, CHANGES
from tests.simulation.run import Result, run

CHECKOUT = Path(__file__).parents[2]
PROGRESS = Path(".aisle-simulation")
MODES = {mode.name: mode for mode in (ALL_COMMANDS, CHANGES)}
CODE = ("schemas", "seat_workers", "gateway", "notifier", "runtime/log", "tests/simulation")
CHUNK = 50


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Progress(msgspec.Struct):
    """Progress through the schedules from `first` on, with one version of the code."""

    code: str
    first: int
    done: int = 0
    commands: int = 0
    seconds: float = 0.0
    """Elapsed real time."""
    failed: list[int] = []


def code_digest() -> str:
    """Identifies the simulated code: progress with other code does not count."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def known_progress(path: Path, first: int) -> Progress:
    """The stored progress with this code, or none."""
    fresh = Progress(code_digest(), first)
    if not path.exists():
        return fresh
    known = msgspec.json.decode(path.read_bytes(), type=Progress)
    return known if (known.code, known.first) == (fresh.code, first) else fresh


def run_chunk(mode: str, seeds: range) -> list[Result]:
    """Runs schedules without tracing."""
    results = [run(seed, mode=MODES[mode]) for seed in seeds]
    gc.collect()
    return results


def simulate(runs: int, first: int, processes: int, path: Path, mode: str) -> Progress:
    """Runs the schedules `first` … `first + runs - 1` that are not done yet, and prints those that fail."""
    progress = known_progress(path, first)
    path.parent.mkdir(parents=True, exist_ok=True)
    if progress.done:
        print_line(f"{progress.done} of {runs} schedules are done already; continuing")
    todo = range(first + progress.done, first + runs)
    chunks = [todo[n : n + CHUNK] for n in range(0, len(todo), CHUNK)]
    began_s, before_s = time.monotonic(), progress.seconds
    with multiprocessing.Pool(processes, gc.disable) as pool:
        for seeds, results in zip(chunks, pool.imap(partial(run_chunk, mode), chunks), strict=True):
            for result in results:
                progress.commands += result.commands
                if result.violations:
                    progress.failed.append(result.seed)
                    print_line(f"seed {result.seed} fails: {result.violations[0][:300]}")
            progress.done += len(seeds)
            progress.seconds = before_s + time.monotonic() - began_s
            path.write_bytes(msgspec.json.format(msgspec.json.encode(progress)))
            if progress.done % (20 * CHUNK) == 0:
                print_line(f"{progress.done} of {runs}, {progress.done / progress.seconds:.0f}/s")
    return progress


def print_trace(seed: int, mode: str) -> int:
    """Prints the trace of one schedule. Returns the number of violations."""
    result = run(seed, mode=MODES[mode], tracing=True)
    print_line(result.trace)
    for violation in result.violations:
        print_line(f"seed {seed}: {violation}")
    return len(result.violations)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="number of schedules")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first schedule")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--trace", type=int, metavar="SEED", help="print the trace of one schedule instead")
    parser.add_argument("--mode", choices=MODES, default=ALL_COMMANDS.name, help="what the clients do")
    given = parser.parse_args()
    if given.trace is not None:
        return 1 if print_trace(given.trace, given.mode) else 0
    path = PROGRESS / f"{given.mode}.json"
    progress = simulate(given.runs, given.seed, given.processes, path, given.mode)
    print_line(
        f"{progress.done} schedules with {progress.commands} commands in {progress.seconds:.0f} s,"
        f" {len(progress.failed)} failed"
    )
    if progress.failed:
        seed = progress.failed[0]
        print_trace(seed, given.mode)
        print_line(f"Add {seed} to tests/simulation/test_regression_seeds.py.")
    return 1 if progress.failed else 0


if __name__ == "__main__":
    sys.exit(main())
