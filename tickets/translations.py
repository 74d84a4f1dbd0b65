"""Texts in several languages: a folder with one JSON file for each. To add a language, add its file with all keys."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

DEFAULT = "en"


class Translations(Generic[T]):
    """The texts of one package's folder, each file decoded as `kind`."""

    def __init__(self, package: str, kind: type[T]) -> None:
        self._folder = files(package)
        self._kind = kind
        self._read = functools.cache(self._decode)

    @functools.cached_property
    def languages(self) -> frozenset[str]:
        """The languages that there is a file for."""
        names = (entry.name for entry in self._folder.iterdir())
        return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def texts(self, language: str) -> T:
        """The texts of a language: `de` for `de-AT`, English where there is no file."""
        short = language.lower().partition("-")[0]
        return self._read(short if short in self.languages else DEFAULT)

    def _decode(self, language: str) -> T:
        return msgspec.json.decode((self._folder / f"{language}.json").read_bytes(), type=self._kind)
