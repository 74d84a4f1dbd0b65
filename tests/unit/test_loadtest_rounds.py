"""A whole benchmark against a small service that keeps what it sold."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from loadtest.bench import results as kept
from loadtest.bench.client import SetupError
from loadtest.bench.letters import Letters
from loadtest.bench.results import Case, Results, Sold, Verdict
from loadtest.bench.rounds import Plan, make
from loadtest.bench.scenarios import Scenario, all_scenarios
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.scenarios.nothing import Nothing
from loadtest.bench.scenarios.one_show import OneShow
from loadtest.bench.scenarios.open_loop import OpenLoop
from loadtest.bench.scenarios.storm import Storm
from loadtest.bench.table import show

PARTITIONS = 3


class SmallService:
    """Movies, shows and bookings, as far as a benchmark needs them."""

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
                body = await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
                status, answer = self.answer(method, path, msgspec.json.decode(body) if body else None)
                encoded = msgspec.json.encode(answer)
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(encoded), encoded)
                )
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
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
    results = await make(plan(url, tokens), Console(file=io.StringIO()))
    assert results.answered == small.sales > 0
    assert [case.other for case in results.cases] == [0, 0, 0]
    assert [run.column.case for run in results.runs] == ["bookings-1", "bookings-8", "nothing-2"] * 2
    nothing = results.cases[2]
    assert nothing.cpu_us["generator"].median > 0
    assert nothing.cpu_us["gateway"].median > 0


@pytest.mark.slow
async def test_the_results_can_be_read_back_and_shown(
    service: tuple[SmallService, str], tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "results")
    _, url = service
    results = await make(plan(url, tokens), Console(file=io.StringIO()))
    results = msgspec.structs.replace(
        results,
        letters=Letters(booked=results.answered - 1, sent=3, left=4, a_second=None, cpu_us=None),
        verdict=Verdict(True, "all is well"),
    )
    assert msgspec.json.decode(results.write().read_bytes(), type=Results) == results
    output = io.StringIO()
    show(results, Console(file=output, width=100))
    shown = output.getvalue()
    assert "1 connection" in shown
    assert "all is well" in shown
    assert "1 bookings that were answered 201 are lost!" in shown
    assert not results.well


@pytest.mark.parametrize(
    ("booked", "verdict", "well"), [(5, True, True), (4, True, False), (5, False, False)]
)
def test_a_lost_booking_or_a_bad_verdict_is_not_well(booked: int, verdict: bool, well: bool) -> None:
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
        letters=Letters(booked, 0, booked, None, None),
        verdict=Verdict(verdict, ""),
    )
    assert results.well == well


async def test_a_service_that_refuses_the_shows_ends_it_with_its_words(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    small.refuse_shows = True
    with pytest.raises(SetupError, match=r"403.*forbidden"):
        await make(plan(url, tokens), Console(file=io.StringIO()))


async def test_a_service_elsewhere_needs_tokens(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="--tokens"):
        await make(plan("http://127.0.0.1:1", None), Console(file=io.StringIO()))
    with pytest.raises(SetupError, match=r"tokens\.json"):
        await make(plan("http://127.0.0.1:1", tmp_path / "tokens.json"), Console(file=io.StringIO()))


async def measured(url: str, tokens: Path, scenario: Scenario) -> tuple[Results, dict[str, Case]]:
    results = await make(plan(url, tokens, scenario), Console(file=io.StringIO()))
    return results, {case.case: case for case in results.cases}


@pytest.mark.slow
async def test_a_storm_sells_each_seat_once_and_others_book_a_show_of_another_partition(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await measured(url, tokens, Storm(8))
    stormed, *_, other = small.shows
    assert stormed % PARTITIONS != other % PARTITIONS
    assert sum(show == stormed for show, _ in small.sold) == 500
    assert results.answered == small.sales
    storm, beside = cases["storm-8"], cases["storm-other"]
    assert storm.other == beside.other == 0
    assert storm.rates["refused/s"].median > 0
    assert beside.rates["confirmed/s"].median > 0
    assert beside.figures["of its share"].median > 0


async def test_one_show_is_sold_out_with_what_each_tenth_took(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await measured(url, tokens, OneShow(4, seats=500))
    (show_id,) = small.shows
    assert small.sold == {(show_id, seat) for seat in range(1, 501)}
    assert results.answered == 500
    assert len(cases["one-show-4"].steps) == 10
    assert [step.done for step in results.runs[0].steps] == list(range(50, 501, 50))


@pytest.mark.slow
async def test_an_open_loop_asks_for_twice_what_was_booked_just_before(
    service: tuple[SmallService, str], tokens: Path
) -> None:
    small, url = service
    results, cases = await measured(url, tokens, OpenLoop(load_s=0.5, calm_s=0.3, connections=50))
    assert results.answered == small.sales
    figures = cases["open-loop"].figures
    assert figures["capacity/s"] == cases["capacity"].a_second
    assert figures["due/s"].median == pytest.approx(2 * figures["capacity/s"].median, rel=0.2)
    assert figures["without Retry-After"].high == 0


@pytest.mark.parametrize("quick", [False, True])
def test_every_case_has_a_name_of_its_own(quick: bool) -> None:
    columns = [column for scenario in all_scenarios(quick=quick) for column in scenario.columns]
    assert len({column.case for column in columns}) == len(columns)
    assert len({column.title for column in columns}) == len(columns)


@pytest.mark.parametrize(
    ("booked", "verdict", "well"), [(7, True, True), (6, True, False), (7, False, False)]
)
def test_what_is_lost_or_wrong_in_the_full_home_is_not_well(booked: int, verdict: bool, well: bool) -> None:
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
        sold=Sold(beforehand=10, answered=7, booked=booked, verdict=Verdict(verdict, "said so")),
    )
    assert results.well == well
    output = io.StringIO()
    show(results, Console(file=output, width=100))
    assert "said so" in output.getvalue()
