"""Packages that are loaded only where they are used: Textual by `aisle top`, the exporter of traces with tracing on."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Redis' client loads OpenTelemetry's interface by itself where that is installed; spans need the exporter.
UNWANTED = ("textual", "opentelemetry.exporter")


@pytest.mark.parametrize("module", ["ops.cli", "gateway.app", "seat_workers.__main__", "notifier.__main__"])
def test_a_process_does_not_load_what_it_does_not_use(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert module in loaded
    assert not [name for name in loaded if name.startswith(UNWANTED)]
