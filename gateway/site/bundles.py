"""Bundles: the script of each page and all modules that it imports, as one module.

Every module stays in a scope of its own, a function that returns what it exports, and they run in the order in which a
browser would run them. The functions are async: a module may await while it starts. Only the few forms of import and
export that the site's scripts use are understood. Any other is refused when the gateway starts, and by the tests.

A bundle exports `modules`, the exports of each module by its path, for the console and for tests: importing a module by
itself would run it a second time.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import rjsmin

_HEADER = "js/header.js"
_PAGES: Mapping[str, tuple[str, ...]] = {
    "account": ("js/account.js",),
    "booking": ("js/booking.js",),
    "check_in": ("js/check_in.js",),
    "email_link": ("js/email_link.js",),
    "login": ("js/login.js",),
    "movie": ("js/posters.js",),
    "other": (),
    "password_forgot": ("js/password_forgot.js",),
    "programme": ("js/programme.js", "js/links.js"),
    "show": ("js/show.js",),
    "signup": ("js/signup.js",),
}
"""The scripts of each page, beside the header's."""

_IMPORT = re.compile(r'^import (?:\{([^{}]*)\} from )?"(\.{1,2}/[^"\n]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function(?: |\* ?)|class |const )([\w$]+))", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export \{([^{}]*)\};$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z")
_VARIABLE = re.compile(r"^(?:let|var)\b[^;]*", re.MULTILINE)
_COMMENT = ("//", "/*", "*")
_STATEMENT = re.compile(r"\s*(?:import|export)\b")
_WHILE_RUNNING = re.compile(r"\bimport\s*[(.]")
_RELATIVE_TO_BUNDLE = "import(`../"


class BundleError(ValueError):
    """A script that cannot be bundled."""


class _Module(NamedTuple):
    path: str
    imports: Mapping[str, tuple[str, ...]]
    """The names that are imported, by the path of their module."""
    exports: tuple[str, ...]
    body: str


def page_bundles(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bundle of each page, `pages/<name>.js`. Raises BundleError."""
    return {
        f"pages/{name}.js": bundle([_HEADER, *scripts], files).encode() for name, scripts in _PAGES.items()
    }


def bundle(entries: Iterable[str], files: Mapping[str, bytes]) -> str:
    """One module that does what these do if they are loaded in this order. Raises BundleError."""
    modules: dict[str, _Module] = {}
    for entry in entries:
        _add(entry, files, modules, ())
    needed = {path for module in modules.values() for path in module.imports}
    parts = [_wrapped(module, modules, needed=module.path in needed) for module in modules.values()]
    return "\n".join(["const $modules = {};", *parts, "export { $modules as modules };\n"])


def _add(path: str, files: Mapping[str, bytes], modules: dict[str, _Module], within: tuple[str, ...]) -> None:
    """Adds a module after those that it imports."""
    if path in within:
        raise BundleError(f"{' imports '.join([*within, path])}: move what both need into a third module")
    if path in modules:
        return
    if path not in files:
        raise BundleError(f"{within[-1] if within else 'a page'} imports {path}, which does not exist")
    module = _read(path, files[path].decode())
    for imported in module.imports:
        _add(imported, files, modules, (*within, path))
    modules[path] = module


def _read(path: str, text: str) -> _Module:
    imports: dict[str, tuple[str, ...]] = {}
    for names, target in _IMPORT.findall(text):
        imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        imports[imported] = (*imports.get(imported, ()), *_names(path, names))
    listed = [name for names in _EXPORT_LIST.findall(text) for name in _names(path, names)]
    exports = (*_EXPORT.findall(text), *listed)
    body = _EXPORT_LIST.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))
    for line in body.splitlines():
        _check(path, line)
    for name in listed:
        if any(re.search(rf"\b{re.escape(name)}\b", declared) for declared in _VARIABLE.findall(text)):
            raise BundleError(
                f"{path} exports the variable {name}: export a constant, or a function that returns it"
            )
    if "then" in exports:
        raise BundleError(f"{path} exports `then`, and would be taken for a promise: give it another name")
    return _Module(path, imports, exports, body)


def _names(path: str, names: str) -> Iterator[str]:
    for name in names.split(","):
        name = name.strip()
        if _NAME.match(name):
            yield name
        elif name:
            raise BundleError(f"{path}: {name!r} cannot be bundled; import and export names as they are")


def _check(path: str, line: str) -> None:
    """Refuses what has been left of imports and exports, and what depends on where a module is."""
    if line.lstrip().startswith(_COMMENT):
        return
    misses = _STATEMENT.match(line) or "$modules" in line
    if _WHILE_RUNNING.search(line):
        misses = _RELATIVE_TO_BUNDLE not in line or path.count("/") != 1
    if misses:
        raise BundleError(
            f"{path}: {line.strip()!r} cannot be bundled. Begin the line of an import by `import {{ … }} from` or "
            "`import`, and of an export by `export function`, `class`, `const` or `{ … }`, without `as` and `default`"
        )


def _wrapped(module: _Module, modules: Mapping[str, _Module], *, needed: bool) -> str:
    """A module as a function, without comments and indents.

    What no other imports is not waited for: if it fails, the others run.
    """
    lines = [f"// {module.path}", f'$modules["{module.path}"] = {"await " if needed else ""}(async () => {{']
    for path, names in module.imports.items():
        if missing := sorted({*names} - {*modules[path].exports}):
            raise BundleError(f"{module.path} imports {missing[0]}, which {path} does not export")
        if names:
            lines.append(f'const {{ {", ".join(names)} }} = $modules["{path}"];')
    return "\n".join(
        [*lines, rjsmin.jsmin(module.body), f"return {{ {', '.join(module.exports)} }};", "})();"]
    )
