"""The results as one table for the eyes."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.bench.processes import PARTS
from loadtest.bench.results import Results
from loadtest.bench.statistics import Spread

NOT_PATH = ("notifier", "generator")
"""What the cost of a booking does not count: letters, which have a cost of their own, and who asks."""


def show(results: Results, console: Console) -> None:
    """Prints everything that `results` say."""
    console.print(_heading(results))
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for case in results.cases:
        table.add_column(case.title, justify="right", no_wrap=True)
    _throughput_rows(table, results)
    about_cpu = _cpu_rows(table, results)
    console.print(table)
    console.print(Text(about_cpu, style="dim"))
    for case in results.cases:
        for status, example in sorted(case.examples.items()):
            what = f"status {status}" if status else "no proper answer"
            console.print(Text(f"{case.title}: {what}, for example: {example}", style="yellow"))
    console.print(Text(_letters(results)))
    if results.lost:
        console.print(Text(f"{results.lost:,} bookings that were answered 201 are lost!", style="bold red"))
    _print_verdict(results, console)


def _heading(results: Results) -> Text:
    text = Text(f"Aisle on the {results.log} log", style="bold")
    if results.gateways and results.workers:
        text.append(f", gateways: {results.gateways}, seat workers: {results.workers}")
    if machine := results.machine:
        text.append(
            f"\n{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, "
            f"Python {machine.python}, commit {machine.commit}; a synced write takes {machine.sync_ms} ms",
            style="not bold",
        )
    runs = max((case.runs for case in results.cases), default=0)
    text.append(
        f"\nmedian, lowest and highest of {runs} run{'s' if runs > 1 else ''} of {results.measured_s:g} s after "
        f"{results.warm_up_s:g} s of warm-up; everything on this machine, the generator too",
        style="not bold",
    )
    return text


def _throughput_rows(table: Table, results: Results) -> None:
    cases = results.cases
    _spread_rows(table, "confirmed/s", [case.a_second for case in cases], ",.0f")
    for name in ("p50", "p90", "p99", "max"):
        _spread_rows(table, f"{name}, ms", [case.latency_ms.get(name) for case in cases], ".2f")
    table.add_row("other answers", *(f"{case.other:,}" for case in cases))


def _spread_rows(table: Table, label: str, spreads: Sequence[Spread | None], form: str) -> None:
    table.add_row(label, *(format(of.median, form) if of else "–" for of in spreads))
    ranges = (f"{of.low:{form}}–{of.high:{form}}" if of else "" for of in spreads)
    table.add_row("", *ranges, style="dim")


def _cpu_rows(table: Table, results: Results) -> str:
    """Adds the rows; returns what has to be said about them."""
    cases = results.cases
    if not any(case.cpu_us for case in cases):
        return ""
    table.add_section()
    table.add_row("CPU for one, µs", style="bold")
    for part in (*PARTS, "generator"):
        if any(part in case.cpu_us for case in cases):
            shown = (case.cpu_us.get(part) for case in cases)
            table.add_row(f"  {part}", *(f"{of.median:,.1f}" if of else "" for of in shown))
    sums = (sum(of.median for part, of in case.cpu_us.items() if part not in NOT_PATH) for case in cases)
    table.add_row("  booking path", *(f"{total:,.1f}" if total else "" for total in sums), style="bold")
    caption = "The booking path is all parts but the notifier: letters have a cost of their own."
    if results.log == "kafka" and not results.kafka_is_seen:
        caption += " Kafka runs elsewhere; its CPU is not counted."
    return caption


def _letters(results: Results) -> str:
    letters = results.letters
    if letters is None:
        return f"\n{results.answered:,} bookings were answered 201; the database was not looked at."
    told = (
        f"\n{results.answered:,} bookings were answered 201, {letters.booked:,} are in the database; "
        f"letters sent meanwhile: {letters.sent:,}, left undone: {letters.left:,}."
    )
    if letters.cpu_us and letters.a_second:
        total = sum(used for part, used in letters.cpu_us.items()) / 1000
        told += f" Alone, the notifier sends {letters.a_second:,.0f} a second, {total:.1f} ms of CPU each."
    return told


def _print_verdict(results: Results, console: Console) -> None:
    if results.verdict is None:
        return
    style = "green" if results.verdict.well else "bold red"
    console.print(
        Text("aisle verify: ", style="bold").append(results.verdict.said or "(silent)", style=style)
    )
