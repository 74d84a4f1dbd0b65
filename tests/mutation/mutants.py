"""The mutants of a run of mutmut: their status, their diff, and which of them are listed as equivalent."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
KILLED = frozenset({"killed", "timeout", "segfault"})


class MutantKey(NamedTuple):
    """Identifies a mutant by its text, so that edits elsewhere do not matter."""

    module: str
    function: str
    was: str
    becomes: str


class Mutant(NamedTuple):
    """A mutant that was tested."""

    status: str
    diff: str
    key: MutantKey


class Equivalent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"function": "in"}):
    """An entry of the list: a mutant that behaves like the code itself, and why."""

    module: str
    function: str
    was: str
    becomes: str
    why: str

    @property
    def key(self) -> MutantKey:
        """The key of the mutant."""
        return MutantKey(self.module, self.function, self.was, self.becomes)


def read_equivalents() -> list[Equivalent]:
    """Returns the mutants that are listed as equivalent."""
    listed = tomllib.loads(EQUIVALENTS.read_text("utf-8"))["mutant"]
    return msgspec.convert(listed, list[Equivalent])


def mutants_of(module: str) -> Iterator[Mutant]:
    """The mutants of a module, as the last run of mutmut in this folder left them."""
    data = SourceFileMutationData(path=module)
    data.load()
    for name, exit_code in data.exit_code_by_key.items():
        diff = get_diff_for_mutant(name, path=module)
        yield Mutant(status_by_exit_code[exit_code], diff, _key(module, name, diff))


def _key(module: str, name: str, diff: str) -> MutantKey:
    function, owner = orig_function_and_class_names_from_key(name)
    lines = diff.splitlines()[2:]
    was, becomes = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return MutantKey(module, f"{owner}.{function}" if owner else function, was, becomes)
