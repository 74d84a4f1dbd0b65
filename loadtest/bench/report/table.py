"""Results as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.bench.processes import PARTS
from loadtest.bench.report.columns import RATES
from loadtest.bench.report.results import Case, CheckResult, Results, path_us
from loadtest.bench.report.statistics import Spread

_LABELS, _COLUMN = 24, 18
"""Width in characters of the names of the rows, and of one case."""


def print_results(results: Results, console: Console) -> None:
    """Prints the results."""
    console.print(_heading(results))
    width = max(1, (console.width - _LABELS) // _COLUMN)
    for first in range(0, len(results.cases), width):
        console.print()
        console.print(_part(results.cases[first : first + width]))
    console.print(Text(_about(results), style="dim"))
    if results.idle_mib:
        idle = ", ".join(f"{part} {mib:,.0f}" for part, mib in results.idle_mib.items())
        console.print(Text(f"Memory after the start, before the first request, MiB: {idle}"))
    for case in results.cases:
        for status, example in sorted(case.examples.items()):
            what = f"status {status}" if status else "invalid response"
            console.print(Text(f"{case.title}: {what}, for example: {example}", style="yellow"))
    if results.answered:
        console.print(Text(_emails(results)))
    if results.lost:
        console.print(Text(f"{results.lost:,} bookings with the response 201 are lost!", style="bold red"))
    if results.check:
        _print_check("aisle verify: ", results.check, console)
    if sold := results.sold:
        console.print(Text(f"Sold beforehand in the full home: {sold.beforehand:,} bookings."))
        _print_check("aisle verify there: ", sold.check, console)


def _heading(results: Results) -> Text:
    text = Text(f"Aisle on the {results.log} log", style="bold")
    if results.gateways and results.workers:
        text.append(
            f", gateways: {results.gateways}, seat workers: {results.workers}, partitions: {results.partitions}, "
            f"at most {results.max_in_flight:,} undecided requests per gateway"
        )
    if machine := results.machine:
        text.append(
            f"\n{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, "
            f"Python {machine.python}, commit {machine.commit}; a synced write takes {machine.sync_ms} ms",
            style="not bold",
        )
    runs = max((case.runs for case in results.cases), default=0)
    text.append(
        f"\nmedian, lowest and highest of {runs} run{'s' if runs > 1 else ''} of {results.measured_s:g} s after "
        f"{results.warm_up_s:g} s of warm-up, cases alternate; all processes, also the generator, on this machine",
        style="not bold",
    )
    return text


def _part(cases: Sequence[Case]) -> Table:
    """Table of the cases that fit beside each other."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=_LABELS - 2)
    for case in cases:
        table.add_column(case.title, justify="right", no_wrap=True)
    for name in RATES:
        if any(name in case.rates for case in cases):
            _spread_rows(table, name, [case.rates.get(name) for case in cases], ",.0f")
    for name in ("p50", "p90", "p99", "max"):
        _spread_rows(table, f"{name}, ms", [case.latency_ms.get(name) for case in cases], ",.2f")
    table.add_row("other responses", *(f"{case.other:,}" for case in cases))
    for name in dict.fromkeys(name for case in cases for name in case.figures):
        _spread_rows(table, name, [case.figures.get(name) for case in cases], None)
    _cpu_rows(table, cases)
    _memory_rows(table, cases)
    return table


def _spread_rows(table: Table, label: str, spreads: Sequence[Spread | None], form: str | None) -> None:
    """Adds the medians and, where runs differ, the lowest and highest values. Without a `form`, small numbers have
    decimals."""

    def text(value: float) -> str:
        return format(value, form or (",.0f" if abs(value) >= 100 or value == int(value) else ".2f"))

    table.add_row(label, *(text(of.median) if of else "" for of in spreads))
    if any(of and of.low < of.high for of in spreads):
        ranges = (f"{text(of.low)}–{text(of.high)}" if of else "" for of in spreads)
        table.add_row("", *ranges, style="dim")


def _cpu_rows(table: Table, cases: Sequence[Case]) -> None:
    if not any(case.cpu_us for case in cases):
        return
    table.add_section()
    table.add_row("CPU each, µs", style="bold")
    for part in (*PARTS, "generator"):
        if any(part in case.cpu_us for case in cases):
            shown = (case.cpu_us.get(part) for case in cases)
            table.add_row(f"  {part}", *(f"{of.median:,.1f}" if of else "" for of in shown))
    medians = [{part: of.median for part, of in case.cpu_us.items()} for case in cases]
    table.add_row("  booking path", *(f"{path_us(of):,.1f}" if of else "" for of in medians), style="bold")
    shares = (f"{of['generator'] / sum(of.values()):.0%}" if of else "" for of in medians)
    table.add_row("generator's share", *shares)
    costs = (f"{case.generator_us.median:,.1f}" if case.generator_us else "" for case in cases)
    table.add_row("generator, per request", *costs)


def _memory_rows(table: Table, cases: Sequence[Case]) -> None:
    parts = [part for part in PARTS if any(part in case.memory_mib for case in cases)]
    if parts:
        table.add_section()
        table.add_row("memory afterwards, MiB", style="bold")
    for part in parts:
        shown = (case.memory_mib.get(part) for case in cases)
        table.add_row(f"  {part}", *(f"{of.median:,.0f}" if of else "" for of in shown))


def _about(results: Results) -> str:
    """Explanation of the rows."""
    text = (
        "accepted: appended to the log; decided: response with the decision; refused: decided against; turned away:"
        " rejected, 503 or 429. CPU is per expected response. The booking path is all parts but the notifier:"
        " e-mails are measured apart. Memory is proportional (PSS)."
    )
    if results.log == "kafka" and not results.kafka_is_seen:
        text += " Kafka runs elsewhere; its CPU is not counted."
    return text


def _emails(results: Results) -> str:
    emails = results.emails
    if emails is None:
        return f"\n{results.answered:,} bookings had the response 201; the database was not checked."
    text = (
        f"\n{results.answered:,} bookings had the response 201, {emails.booked:,} are in the database; "
        f"e-mails sent meanwhile: {emails.sent:,}, pending: {emails.pending:,}."
    )
    if emails.cpu_us and emails.per_second:
        total = sum(used for part, used in emails.cpu_us.items()) / 1000
        text += f" Alone, the notifier sends {emails.per_second:,.0f} per second, {total:.1f} ms of CPU each."
    return text


def _print_check(what: str, check: CheckResult, console: Console) -> None:
    style = "green" if check.passed else "bold red"
    console.print(Text(what, style="bold").append(check.output or "(no output)", style=style))
