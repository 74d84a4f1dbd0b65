"""The runbooks of docs/runbooks.md: their commands, and the patterns that output is compared with.

A runbook is a heading of the second level with the parts **See**, **Do** and **Over**. Commands are the lines of
`console` blocks that begin with `$ `, continued by `> `; what follows is their output, standard error included.
There `…` stands for any text within a line, and a line with nothing else for any number of lines. A run of blanks is
equal to any other, and so is a rule of three dashes or more. Everything else has to be the same.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

ANYTHING = "…"


class Part(StrEnum):
    """A part of a runbook, named as on the page."""

    SEE = "See"
    DO = "Do"
    OVER = "Over"


class Command(NamedTuple):
    """A command and the lines that it prints, as patterns."""

    line: str
    output: list[str]


class PageError(Exception):
    """The page is not what a runbook has to be. The message names the line."""


def read_runbooks(page: str) -> dict[str, dict[Part, list[Command]]]:
    """Returns the commands of each runbook by its heading and part. Raises PageError."""
    runbooks: dict[str, dict[Part, list[Command]]] = {}
    part: Part | None = None
    block: list[Command] | None = None
    fence = ""
    for number, line in enumerate(page.splitlines(), 1):
        if fence:
            if line == "```":
                fence, block = "", None
            elif block is not None:
                _add_line(block, line, number)
        elif line.startswith("```"):
            fence = line
            if line == "```console":
                if part is None:
                    raise PageError(f"line {number}: a console block outside of See, Do and Over")
                block = next(reversed(runbooks.values())).setdefault(part, [])
        elif line.startswith("## "):
            runbooks[line[3:]] = {}
            part = None
        elif runbooks and (found := re.match(r"\*\*(See|Do|Over)\b", line)):
            part = Part(found[1])
    return {title: parts for title, parts in runbooks.items() if parts}


def _add_line(block: list[Command], line: str, number: int) -> None:
    if line.startswith("$ "):
        block.append(Command(line[2:], []))
    elif not block:
        raise PageError(f"line {number}: output without a command")
    elif line.startswith("> ") and not block[-1].output:
        block[-1] = Command(f"{block[-1].line}\n{line[2:]}", [])
    else:
        block[-1].output.append(line)


def matches(pattern: list[str], printed: str) -> bool:
    """Whether output is what a page says."""
    lines = [_regular_expression(line) for line in pattern]
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch("".join(lines), text) is not None


def _regular_expression(line: str) -> str:
    if line.strip() == ANYTHING:
        return r"(?:[^\n]*\n)*?"
    words = [_word(word) for word in line.split()]
    return (r"[ \t]*" if line[:1] in (" ", "\t") or not words else "") + r"[ \t]+".join(words) + "\n"


def _word(word: str) -> str:
    escaped = r"[^\n]*?".join(re.escape(piece) for piece in word.split(ANYTHING))
    return re.sub(r"(?:\\-){3,}", "-{3,}", escaped)
