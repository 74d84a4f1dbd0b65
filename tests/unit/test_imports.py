"""The allowed imports between packages, and between the folders of the gateway."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

OURS = {
    "schemas",
    "seat_workers",
    "gateway",
    "tickets",
    "notifier",
    "webhooks",
    "runtime",
    "languages",
    "ops",
    "loadtest",
    "tests",
}

MAY_IMPORT = {
    "schemas": {"schemas"},
    "tickets": {"tickets", "schemas", "languages"},
    "runtime": {"runtime", "schemas"},
    "seat_workers": {"seat_workers", "runtime", "schemas"},
    "languages": {"languages"},
    "webhooks": {"webhooks", "runtime", "schemas"},
    "gateway": {"gateway", "runtime", "schemas", "tickets", "languages", "webhooks"},
    "notifier": {"notifier", "runtime", "schemas", "tickets", "languages", "webhooks"},
    "ops": OURS - {"loadtest", "tests"},
    "loadtest": OURS - {"tests"},
}
"""Of ours; nothing but `loadtest` and the tests imports `ops`."""

PURE_WRITER = (
    "show",
    "transitions",
    "booking_rules",
    "check_in_rules",
    "seat_rules",
    "show_rules",
    "show_state",
    "best_seats",
    "accessible_seats",
    "fold",
    "compact.customers",
    "compact.live_bookings",
    "compact.packed_keys",
    "compact.stored_show",
)

PURE_SITE = ("days", "folding", "poster_palettes", "poster_title", "programme_filter", "programme_views")

PURE_WEBHOOKS = ("addresses", "bodies", "schedule", "signing")

PURE = [
    *(CHECKOUT / "seat_workers" / f"{name.replace('.', '/')}.py" for name in PURE_WRITER),
    *sorted((CHECKOUT / "tickets").rglob("*.py")),
    *(CHECKOUT / "webhooks" / f"{name}.py" for name in PURE_WEBHOOKS),
    CHECKOUT / "gateway/server/request_bounds.py",
    CHECKOUT / "gateway/server/request_head.py",
    CHECKOUT / "gateway/server/authority.py",
    *(CHECKOUT / "gateway/site" / f"{name}.py" for name in PURE_SITE),
]
"""Files that know no socket, no clock, no event loop and no SQL."""

WORLD = {"asyncio", "asyncpg", "os", "random", "redis", "secrets", "socket", "ssl", "subprocess", "time"}


GATEWAY_ORDER = (
    {"http"},
    {"server"},
    {"auth", "limits", "openapi"},
    {"seat_maps", "commands"},
    {"bookings"},
    {"accounts", "catalogue", "live", "tickets"},
    {"check_in"},
    {"deliveries", "reports", "site", "webhooks"},
    {"inbox"},
)
"""Folders of the gateway: each imports from its own row's folder and from rows above, never from below. Files directly
in `gateway/` compose them."""


def modules(package: str) -> list[Path]:
    return sorted((CHECKOUT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    assert modules(package)
    for path in modules(package):
        for name in imports(path):
            top = name.partition(".")[0]
            assert top not in OURS or top in MAY_IMPORT[package], f"{path} imports {name}"


def test_the_order_of_folders_lists_each_folder_of_the_gateway() -> None:
    folders = {path.name for path in (CHECKOUT / "gateway").iterdir() if (path / "__init__.py").exists()}
    assert folders == set().union(*GATEWAY_ORDER)


@pytest.mark.parametrize("row", range(len(GATEWAY_ORDER)))
def test_folders_of_the_gateway_import_only_from_above(row: int) -> None:
    above = set().union(*GATEWAY_ORDER[:row])
    for folder in GATEWAY_ORDER[row]:
        for path in modules(f"gateway/{folder}"):
            for name in imports(path):
                top, _, rest = name.partition(".")
                if top == "gateway" and rest:
                    assert rest.partition(".")[0] in above | {folder}, f"{path} imports {name}"


@pytest.mark.parametrize("package", sorted(OURS - {"tests"}))
def test_nothing_imports_a_main_module(package: str) -> None:
    for path in modules(package):
        assert not any("__main__" in name.split(".") for name in imports(path)), path


def test_schemas_needs_nothing_but_msgspec() -> None:
    for path in modules("schemas"):
        for name in imports(path):
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names | {"msgspec", "schemas"}, f"{path} imports {name}"


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_pure_files_import_schemas_and_nothing_that_does_io(path: Path) -> None:
    neighbours = {f"seat_workers.{name}" for name in PURE_WRITER}
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top not in WORLD, f"{path} imports {name}"
        if top == "seat_workers" and rest:
            assert any(name == known or name.startswith(f"{known}.") for known in neighbours), (
                f"{path} imports {name}"
            )
        elif top in OURS - {"seat_workers"}:
            own = path.relative_to(CHECKOUT).parts[0]
            assert top in {"schemas", "languages", own}, f"{path} imports {name}"


def test_the_ledger_never_imports_the_rules() -> None:
    names = set(imports(CHECKOUT / "seat_workers/ledger.py"))
    assert not any(name.startswith("seat_workers.show") for name in names)
