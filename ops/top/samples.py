"""Samples of one scrape, by the name of their metric."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Sample(NamedTuple):
    """A sample. `labels` is shared by all scrapes and must not be changed."""

    labels: dict[str, str]
    value: float


Samples = dict[str, dict[str, Sample]]
"""Name of the sample, such as `aisle_requests_total` → its series as in the exposition → the sample."""


class Parser:
    """Reads the text of scrapes. Each series is parsed once: afterwards a line costs a look-up.

    `wanted`: the names of samples that are kept; None keeps all.
    """

    def __init__(self, wanted: Container[str] | None = None) -> None:
        self._wanted = wanted
        self._known: dict[str, tuple[str, dict[str, str]] | None] = {}

    def read(self, text: str) -> Samples:
        """Returns the samples. Raises ValueError for a text that is no exposition."""
        found: Samples = {}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            try:
                known = self._known[series]
            except KeyError:
                known = self._known[series] = self._parsed(line)
            if known is not None:
                name, labels = known
                found.setdefault(name, {})[series] = Sample(labels, float(value))
        return found

    def _parsed(self, line: str) -> tuple[str, dict[str, str]] | None:
        """The name and labels of a line; None for a sample that is not wanted."""
        (family,) = text_string_to_metric_families(line + "\n")
        name, labels = family.samples[0].name, family.samples[0].labels
        return (name, labels) if self._wanted is None or name in self._wanted else None
