"""`python -m tests.mutation [MODULE…]`: small changes to the pure modules, each of which a unit test has to notice.

mutmut makes the mutants, in `mutants/` beside the sources, and runs the unit tests on each; pyproject.toml names the
modules and the tests. Mutants that behave like the code itself are listed in equivalents.toml. Exits 1 when the tests
notice less than 95 % of the others in any module, or when the list is out of date.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tests.mutation.mutants import KILLED, Equivalent, Mutant, MutantKey, mutants_of, read_equivalents

CHECKOUT = Path(__file__).parents[2]
MUTANTS = CHECKOUT / "mutants"
LOG = MUTANTS / "mutmut.log"
SHARE = 0.95
"""Of the mutants that are not equivalent, the share that the tests must kill, in each module."""
PROCESSES = 2


def main(
    modules: Annotated[
        list[str] | None, typer.Argument(help="files to mutate; all of pyproject.toml")
    ] = None,
) -> None:
    """Prints how many mutants of each module the tests kill, and the survivors as diffs."""
    known: list[str] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"][
        "only_mutate"
    ]
    for module in modules or ():
        if module not in known:
            raise typer.BadParameter(f"{module} is not one of {', '.join(known)}")
    chosen = modules or known
    os.chdir(CHECKOUT)
    _run_mutmut(chosen)
    equivalents = [one for one in read_equivalents() if one.module in chosen]
    failed = [module for module in chosen if not _report(module, equivalents)]
    sys.exit(bool(failed))


def _run_mutmut(modules: list[str]) -> None:
    """Makes all mutants anew and tests those of the modules. Progress is shown on a terminal, or goes to a file."""
    shutil.rmtree(MUTANTS, ignore_errors=True)
    MUTANTS.mkdir()
    patterns = [f"{module.removesuffix('.py').replace('/', '.')}.*" for module in modules]
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    command = [mutmut, "run", "--max-children", str(PROCESSES), *patterns]
    with LOG.open("wb") as log:
        output = None if sys.stdout.isatty() else log
        status = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    if status:
        typer.echo(LOG.read_text("utf-8"), err=True)
        sys.exit(status)


def _report(module: str, equivalents: list[Equivalent]) -> bool:
    """Prints the result of a module. Returns whether it is good enough, and its list of equivalent mutants correct."""
    listed = {one.key: one for one in equivalents if one.module == module}
    mutants = list(mutants_of(module))
    others = [mutant for mutant in mutants if mutant.key not in listed]
    survivors = [mutant for mutant in others if mutant.status not in KILLED]
    killed = len(others) - len(survivors)
    late = sum(mutant.status == "timeout" for mutant in others)
    share = killed / len(others) if others else 0.0
    typer.echo(
        f"{module}: {len(mutants)} mutants, {len(mutants) - len(others)} equivalent, {killed} killed"
        f" ({late} by a time-out), {len(survivors)} survived: {share:.1%}"
    )
    for mutant in survivors:
        typer.echo(f"\n# {mutant.status}\n{mutant.diff}\n")
    outdated = list(_outdated(listed, mutants))
    for line in outdated:
        typer.echo(line)
    return share >= SHARE and not outdated


def _outdated(listed: dict[MutantKey, Equivalent], mutants: list[Mutant]) -> Iterator[str]:
    """A line for each entry of the list that is no mutant any more, or that a test kills."""
    statuses: dict[MutantKey, set[str]] = {}
    for mutant in mutants:
        statuses.setdefault(mutant.key, set()).add(mutant.status)
    for key in listed:
        if key not in statuses:
            yield f"equivalents.toml lists what is not a mutant: {key}"
        elif statuses[key] == {"killed"}:
            yield f"equivalents.toml lists what a test kills: {key}"


if __name__ == "__main__":
    typer.run(main)
