"""A whole benchmark against a small service in memory."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from loadtest.bench.emails import Emails
from loadtest.bench.environment import CaseRun
from loadtest.bench.generator.jobs import Overload, Tally
from loadtest.bench.report import results as kept
from loadtest.bench.report.columns import Column
from loadtest.bench.report.results import Case, CheckResult, FullHome, Results, summarise
from loadtest.bench.report.table import print_results
from loadtest.bench.rounds import Plan, run_benchmark
from loadtest.bench.scenarios import Scenario, all_scenarios
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.scenarios.nothing import Nothing
from loadtest.bench.scenarios.one_show import OneShow
from loadtest.bench.scenarios.open_loop import OpenLoop
from loadtest.bench.scenarios.storm import Storm
from loadtest.client import SetupError

PARTITIONS = 3


class SmallService:
    """Movies, shows and bookings, as far as the benchmark needs them."""

    def __init__(self) -> None:
        self.ids = itertools.count(1)
        self.shows: dict[int, int] = {}
        self.sold: set[tuple[int, int]] = set()
        self.sales = 0
        self.refuse_shows = False
        self._served: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                status, response = self.response(method, path, msgspec.json.decode(body) if body else None)
                encoded = msgspec.json.encode(response)
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(encoded), encoded)
                )
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    def response(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match method, path.split("/")[2:]:
            case "POST", ["movies"]:
                return 201, {"id": next(self.ids)}
            case "POST", ["shows"]:
                if self.refuse_shows:
                    return 403, {"code": "forbidden"}
                show_id = next(self.ids)
                self.shows[show_id] = body["total_seats"]
                return 201, {"id": show_id}
            case "GET", ["shows", show_id]:
                return 200, {"id": int(show_id), "status": "on_sale"}
            case "POST", ["shows", show_id, "bookings"]:
                seat = (int(show_id), int(body["seats"][0]))
                assert 1 <= seat[1] <= self.shows[seat[0]]
                if seat in self.sold:
                    return 409, {"code": "seat_taken"}
                self.sold.add(seat)
                self.sales += 1
                return 201, {
                    "status": "confirmed",
                    "decided": {"partition": seat[0] % PARTITIONS, "offset": 1},
                }
            case _:
                return 404, {"code": "not_found"}

    async def finished(self) -> None:
        await asyncio.gather(*self._served)


@pytest.fixture
async def service() -> AsyncIterator[tuple[SmallService, str]]:
    small = SmallService()
    listening = await asyncio.start_server(small.serve, "127.0.0.1", 0)
    yield small, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()
    await small.finished()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.json"
    path.write_text('{"staff": "s", "customers": ["a", "b"]}')
    return path


def plan(url: str, tokens: Path | None, *scenarios: Scenario) -> Plan:
    return Plan(
        scenarios=scenarios or [Bookings(1), Bookings(8), Nothing(2)],
        rounds=1 if scenarios else 2,
        warm_up_s=0.1,
        measured_s=0.3,
        quick=True,
        url=url,
        tokens=tokens,
        own_kafka=False,
        keep=False,
    )


@pytest.mark.slow
async def test_rounds_sell_each_seat_once_and_count_every_sale(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results = await run_benchmark(plan(url, tokens), Console(file=io.StringIO()))
    assert results.answered == small.sales > 0
    assert [case.other for case in results.cases] == [0, 0, 0]
    assert [run.column.case for run in results.runs] == ["bookings-1", "bookings-8", "nothing-2"] * 2
    nothing = results.cases[2]
    assert nothing.cpu_us["generator"].median > 0
    assert nothing.cpu_us["gateway"].median > 0


@pytest.mark.slow
async def test_results_can_be_read_back_and_printed(
    service: tuple[SmallService, str], tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "results")
    _, url = service
    results = await run_benchmark(plan(url, tokens), Console(file=io.StringIO()))
    results = msgspec.structs.replace(
        results,
        emails=Emails(booked=results.answered - 1, sent=3, pending=4, per_second=None, cpu_us=None),
        check=CheckResult(True, "no differences"),
    )
    assert msgspec.json.decode(results.write().read_bytes(), type=Results) == results
    output = io.StringIO()
    print_results(results, Console(file=output, width=100))
    shown = output.getvalue()
    assert "1 connection" in shown
    assert "no differences" in shown
    assert "1 bookings with the response 201 are lost!" in shown
    assert not results.passed


@pytest.mark.parametrize(
    ("booked", "check", "passed"), [(5, True, True), (4, True, False), (5, False, False)]
)
def test_a_lost_booking_or_a_failed_verify_fails_the_run(booked: int, check: bool, passed: bool) -> None:
    results = Results(
        at="2026-11-21T09:30:00Z",
        log="postgres",
        quick=True,
        warm_up_s=1,
        measured_s=1,
        gateways=1,
        workers=1,
        cases=[],
        answered=5,
        kafka_is_seen=False,
        runs=[],
        emails=Emails(booked, 0, booked, None, None),
        check=CheckResult(check, ""),
    )
    assert results.passed == passed


async def test_refused_shows_end_the_benchmark_with_the_response(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    small.refuse_shows = True
    with pytest.raises(SetupError, match=r"403.*forbidden"):
        await run_benchmark(plan(url, tokens), Console(file=io.StringIO()))


async def test_a_running_service_needs_tokens(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="--tokens"):
        await run_benchmark(plan("http://127.0.0.1:1", None), Console(file=io.StringIO()))
    with pytest.raises(SetupError, match=r"tokens\.json"):
        await run_benchmark(plan("http://127.0.0.1:1", tmp_path / "tokens.json"), Console(file=io.StringIO()))


async def case_run(url: str, tokens: Path, scenario: Scenario) -> tuple[Results, dict[str, Case]]:
    results = await run_benchmark(plan(url, tokens, scenario), Console(file=io.StringIO()))
    return results, {case.case: case for case in results.cases}


@pytest.mark.slow
async def test_a_storm_sells_each_seat_once_beside_a_show_of_another_partition(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await case_run(url, tokens, Storm(8))
    stormed, *_, other = small.shows
    assert stormed % PARTITIONS != other % PARTITIONS
    assert sum(print_results == stormed for print_results, _ in small.sold) == 500
    assert results.answered == small.sales
    storm, beside = cases["storm-8"], cases["storm-other"]
    assert storm.other == beside.other == 0
    assert storm.rates["refused/s"].median > 0
    assert beside.rates["confirmed/s"].median > 0
    assert beside.figures["of its share"].median > 0


async def test_one_show_is_sold_out_with_a_step_for_each_tenth(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await case_run(url, tokens, OneShow(4, seats=500))
    (show_id,) = small.shows
    assert small.sold == {(show_id, seat) for seat in range(1, 501)}
    assert results.answered == 500
    assert len(cases["one-show-4"].steps) == 10
    assert [step.done for step in results.runs[0].steps] == list(range(50, 501, 50))


@pytest.mark.slow
async def test_an_open_loop_has_twice_the_capacity_as_its_rate(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await case_run(url, tokens, OpenLoop(load_s=0.5, baseline_s=0.3, connections=50))
    assert results.answered == small.sales
    figures = cases["open-loop"].figures
    assert figures["capacity/s"] == cases["capacity"].per_second
    assert figures["due/s"].median == pytest.approx(2 * figures["capacity/s"].median, rel=0.2)
    assert figures["without Retry-After"].high == 0


@pytest.mark.parametrize("quick", [False, True])
def test_case_names_are_unique(quick: bool) -> None:
    columns = [column for scenario in all_scenarios(quick=quick) for column in scenario.columns]
    assert len({column.case for column in columns}) == len(columns)
    assert len({column.title for column in columns}) == len(columns)


@pytest.mark.parametrize(
    ("booked", "check", "passed"), [(7, True, True), (6, True, False), (7, False, False)]
)
def test_a_lost_booking_or_a_failed_verify_in_the_full_home_fails_the_run(
    booked: int, check: bool, passed: bool
) -> None:
    results = Results(
        at="2026-11-21T09:30:00Z",
        log="postgres",
        quick=True,
        warm_up_s=1,
        measured_s=1,
        gateways=None,
        workers=None,
        cases=[],
        answered=0,
        kafka_is_seen=False,
        runs=[],
        sold=FullHome(beforehand=10, answered=7, booked=booked, check=CheckResult(check, "its output")),
    )
    assert results.passed == passed
    output = io.StringIO()
    print_results(results, Console(file=output, width=100))
    assert "its output" in output.getvalue()


def test_result_files_keep_the_names_of_their_fields() -> None:
    overload = Overload(
        due=9, baseline=None, rejected=None, no_retry_after=0, max_queued=3, recovered_after_s=0.5
    )
    tally = Tally(
        seconds=1.0, statuses={}, latencies=None, each_second=(), cpu_s=0.0, all_statuses={201: 4}, examples={},
        broken=0, unanswered=0, ran_out=False, overload=overload,
    )  # fmt: skip
    column = Column(case="open-loop", title="open loop", confirms=(201,))
    runs = [CaseRun(column=column, tally=tally, cpu_us=None)]
    results = Results(
        at="2026-11-21T09:30:00Z", log="postgres", quick=True, warm_up_s=1, measured_s=1, gateways=1, workers=1,
        cases=[summarise(column, runs)], answered=4, kafka_is_seen=False, runs=runs,
        emails=Emails(booked=4, sent=1, pending=3, per_second=None, cpu_us=None), check=CheckResult(True, "ok"),
    )  # fmt: skip
    stored = msgspec.json.decode(msgspec.json.encode(results))
    assert stored["letters"] == {"booked": 4, "sent": 1, "left": 3, "a_second": None, "cpu_us": None}
    assert stored["verdict"] == {"well": True, "said": "ok"}
    assert "a_second" in stored["cases"][0]
    assert stored["runs"][0]["tally"]["ever"] == {"201": 4}
    assert stored["runs"][0]["tally"]["overload"] == {
        "due": 9, "calm": None, "turned_away": None, "no_retry_after": 0, "most_waiting": 3, "normal_after_s": 0.5,
    }  # fmt: skip
    assert stored["runs"][0]["tally"]["type"] == "Tally"
