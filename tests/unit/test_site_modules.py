"""Tests of the site's pure JavaScript modules, which are in javascript/ and run by Node.js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import site

_MODULES = Path(site.__file__).parent / "static" / "js"
_TESTS = Path(__file__).parent / "javascript"


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the site's modules and their tests: Node.js needs to be told that they are modules."""
    if shutil.which("node") is None:
        pytest.skip("tests of the site's JavaScript did not run: there is no node")
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(_MODULES, folder / "js")
    for test in _TESTS.glob("*.mjs"):
        shutil.copy(test, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.mark.parametrize("name", sorted(test.name for test in _TESTS.glob("*.test.mjs")))
def test_of_modules(modules: Path, name: str) -> None:
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", name],
        cwd=modules,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
