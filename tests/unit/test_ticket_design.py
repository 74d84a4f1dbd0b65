"""Tickets on the page: layouts, codes that scanners read, letters of every script, cuts, and designs of a venue."""

from __future__ import annotations

import io
import time
import unicodedata
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
import pypdf
import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from pypdf.generic import ContentStream, TextStringObject
from structlog.testing import capture_logs

from gateway.tickets import design as gateway_design
from notifier import ticket_design as notifier_design
from runtime.settings import SettingError, Settings, read_settings
from schemas.layout import Layout, Money, Row, Section
from tests.unit.test_tickets import a_ticket
from tickets.design import Design, DesignError, TicketLayout, read_design
from tickets.opening import open_design
from tickets.pdf import render_ticket
from tickets.scripts import PACKAGED, SAMPLES, missing_scripts, unprintable
from tickets.ticket import Ticket

LAYOUTS = get_args(TicketLayout)
PLAIN = {layout: read_design(None, layout, system_fonts=False) for layout in LAYOUTS}
LABELS = ("A12", "Ж7", "É12", "क12", "أ12", "ש12", "Ω3", "ต4", "த5", "ক6", "గ8", "席12")
HALL = Layout((Section("Parkett", Money(1250, "EUR"), (Row("Mitte", LABELS),)),))
TEXTS = [
    "ليلة في القاهرة", "הלילה הזה", "พี่มาก..พระโขนง", "बर्फी और चाँदनी रात", "Ночь в «Метрополе»", "Λούνα Παρκ",
    "Đêm giữa phố cổ", "কলকাতার রাত", "சென்னை இரவு", "హైదరాబాద్ రాత్రి", "ភ្នំពេញ", "Łódź, Çeşme & Þingvellir",
]  # fmt: skip
CLUSTERS = "क्षत्रिय"


def ticket_in(script: str) -> Ticket:
    return a_ticket(title=script, holder=script)


def of_labels(*labels: str) -> Ticket:
    return a_ticket(*labels, layout=HALL)


def glyphs(pdf: bytes) -> list[int]:
    """The numbers of all glyphs that are shown; 0 is the box of a letter that the font lacks."""
    shown = []
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        for operands, operator in ContentStream(page.get_contents(), page.pdf).operations:
            if operator in (b"Tj", b"TJ"):
                parts = operands[0] if isinstance(operands[0], list) else operands
                for part in parts:
                    if isinstance(part, (bytes, TextStringObject)):
                        raw = part if isinstance(part, bytes) else part.original_bytes
                        shown += [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
    return shown


def text_of(pdf: bytes) -> str:
    text = "".join(page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf))
    return " ".join(text.split())


def codes_of(pdf: bytes, scale: float = 2) -> list[str]:
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        found += [code.text for code in zxingcpp.read_barcodes(page.render(scale=scale).to_numpy())]
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_codes_of_labels_in_ten_scripts_are_read_from_the_page(layout: TicketLayout) -> None:
    ticket = of_labels(*LABELS)
    assert sorted(codes_of(render_ticket(ticket, PLAIN[layout]))) == sorted(
        seat.token for seat in ticket.seats
    )


@pytest.mark.parametrize(
    ("layout", "seats", "pages", "size_mm"),
    [
        ("a6", 1, 1, (105, 148)),
        ("a6", 3, 3, (105, 148)),
        ("a4", 4, 1, (210, 297)),
        ("a4", 5, 2, (210, 297)),
        ("booking", 10, 1, (210, 297)),
        ("booking", 11, 2, (210, 297)),
    ],
)
def test_a_layout_has_its_pages(
    layout: TicketLayout, seats: int, pages: int, size_mm: tuple[int, int]
) -> None:
    pdf = render_ticket(of_labels(*LABELS[:seats]), PLAIN[layout])
    sizes = [page.mediabox for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    assert [(round(box.width / 72 * 25.4), round(box.height / 72 * 25.4)) for box in sizes] == [
        size_mm
    ] * pages


@pytest.mark.parametrize("layout", LAYOUTS)
def test_long_texts_stay_on_the_page(layout: TicketLayout) -> None:
    long = a_ticket("W" * 16, title="Donaudampfschifffahrtsgesellschaft " * 9, holder="Maximiliane " * 30)
    long = msgspec.structs.replace(long, screen="Großer Saal im zweiten Obergeschoss " * 4)
    pdf = render_ticket(long, PLAIN[layout])
    assert len(pypdf.PdfReader(io.BytesIO(pdf)).pages) == 1
    [page] = pypdfium2.PdfDocument(pdf)
    text = page.get_textpage()
    width, height = page.get_size()
    for at in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(at)
        assert left >= 0
        assert bottom >= 0
        assert right <= width + 0.1, text.get_text_range(at, 1)
        assert top <= height + 0.1


@pytest.mark.parametrize("text", TEXTS)
def test_packaged_fonts_have_the_letters(text: str) -> None:
    shown = glyphs(render_ticket(ticket_in(text), PLAIN["a6"]))
    assert len(shown) > 100
    assert 0 not in shown


@pytest.mark.parametrize("label", LABELS[:-1])
def test_packaged_fonts_have_the_letters_of_labels(label: str) -> None:
    assert 0 not in glyphs(render_ticket(of_labels(label), PLAIN["booking"]))


def test_a_letter_that_no_font_has_is_a_box_that_the_test_sees() -> None:
    pdf = render_ticket(ticket_in("千と千尋 / 王伟"), PLAIN["a6"])
    assert 0 in glyphs(pdf)
    assert "C12" in text_of(pdf), "the rest is printed"


def test_missing_scripts_are_named() -> None:
    missing = missing_scripts(PLAIN["a6"])
    assert set(SAMPLES) - set(missing) == PACKAGED
    assert {"Chinese", "Japanese", "Korean", "Emoji"} <= set(missing)
    assert unprintable(["Ada", "王", "Ada 王", "क्ष"], PLAIN["a6"]) == [False, True, True, False]


@pytest.mark.parametrize("text", [CLUSTERS, "e\u0301", "क्\u200dष", "คำ้", "👨\u200d👩\u200d👧"])
@pytest.mark.parametrize("before", range(0, 12, 3))
def test_texts_are_cut_between_grapheme_clusters(text: str, before: int) -> None:
    given = "B" * before + text * 80
    shown = text_of(render_ticket(a_ticket(holder=given), PLAIN["a6"]))
    holder = unicodedata.normalize("NFC", shown.partition("NAME ")[2].partition("…")[0])
    whole = unicodedata.normalize("NFC", given)
    if "👨" in text:  # no font: joiners are all that is left of it
        assert holder.count("\u200d") % 2 == 0
        return
    assert len(holder) > 20
    assert whole.startswith(holder)
    following, last = whole[len(holder)], holder[-1]
    assert unicodedata.category(following) not in ("Mn", "Mc", "Me")
    assert following != "\u200d"
    assert last != "\u200d"
    assert unicodedata.combining(last) != 9, "a virama joins what follows"


def test_a_text_that_fits_is_not_cut() -> None:
    for holder in (f"{'A' * 42} e\u0301", CLUSTERS * 8):
        assert "…" not in text_of(render_ticket(a_ticket(holder=holder), PLAIN["a6"]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_tickets_are_equal_bytes_on_another_day(
    layout: TicketLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = render_ticket(of_labels("A12", "Ж7"), read_design(None, layout, system_fonts=False))
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    assert first == render_ticket(of_labels("A12", "Ж7"), read_design(None, layout, system_fonts=False))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_screen_reader_can_follow_the_page(layout: TicketLayout) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_ticket(of_labels("A12", "क12"), PLAIN[layout])))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert reader.metadata is not None
    assert reader.metadata.title == "The Lighthouse at Noon, Saturday, 21 November 2026"
    kinds, alternatives = walk(root["/StructTreeRoot"])
    assert kinds.count("/H1") == {"a6": 2, "a4": 2, "booking": 1}[layout]
    assert kinds.count("/H2") == 2
    assert alternatives == [f"QR code of the ticket for seat {label}" for label in ("A12", "क12")]
    text = text_of(render_ticket(of_labels("A12"), PLAIN[layout]))
    order = ["The Lighthouse at Noon", "Saturday, 21 November 2026", "Screen 3", "19:30", "SEAT", "A12"]
    assert sorted(order, key=text.index) == order


def walk(element: Any) -> tuple[list[str], list[str]]:
    """The kinds of the elements of a structure tree, and the texts that stand for pictures."""
    kinds, alternatives = [], []
    if "/S" in element:
        kinds.append(element["/S"])
    if "/Alt" in element:
        alternatives.append(element["/Alt"])
    children = element.get("/K", [])
    for child in children if isinstance(children, list) else [children]:
        child = child.get_object()
        if isinstance(child, pypdf.generic.DictionaryObject):
            more, texts = walk(child)
            kinds += more
            alternatives += texts
    return kinds, alternatives


def test_a_venue_has_its_own_name_colours_and_logo(tmp_path: Path) -> None:
    plain = render_ticket(a_ticket(), PLAIN["a6"])
    (tmp_path / "brand.toml").write_text('name = "Astoria"\nink = "#ff0000"\n')
    named = open_design(tmp_path, "a6").design
    assert named.digest != PLAIN["a6"].digest
    pdf = render_ticket(a_ticket(), named)
    assert "ASTORIA" in text_of(pdf)
    assert "AISLE" in text_of(plain)
    head = pypdfium2.PdfDocument(pdf)[0].render(scale=1).to_pil().convert("RGB").getpixel((3, 3))
    assert head == (255, 0, 0)
    Image.new("RGB", (40, 20), "#00ff00").save(tmp_path / "logo.png")
    pdf = render_ticket(a_ticket(), open_design(tmp_path, "a6").design)
    assert "ASTORIA" not in text_of(pdf)
    picture = pypdfium2.PdfDocument(pdf)[0].render(scale=1).to_pil().convert("RGB")
    assert (0, 255, 0) in {picture.getpixel((x, 25)) for x in range(25, 60)}


def test_a_venue_has_its_own_template(tmp_path: Path) -> None:
    (tmp_path / "ticket.typ").write_text(
        "#let tickets(data) = [\n#set document(title: data.title)\n"
        "= #data.title\n#data.seats.map(seat => seat.label).join([, ])\n]"
    )
    assert "C12, C13" in text_of(render_ticket(a_ticket("C12", "C13"), open_design(tmp_path, "a6").design))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ticket.typ", "#panic(1)", "panicked"),
        ("ticket.typ", "#set text(", "unclosed"),
        ("brand.toml", "ink = ", "brand.toml"),
        ("brand.toml", 'ink = "red"', "#f2b33d"),
        ("brand.toml", 'colour = "#ffffff"', "colour"),
        ("logo.svg", "no picture", "SVG"),
    ],
)
def test_a_design_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DesignError, match=message):
        open_design(tmp_path, "a6")


@pytest.mark.parametrize("start", [gateway_design.ticket_design_of, notifier_design.ticket_design_of])
async def test_a_service_says_at_its_start_which_scripts_it_cannot_print(
    start: Callable[[Settings], Awaitable[Design]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings({"AISLE_TICKET_LAYOUT": "a4", "AISLE_TICKET_DESIGN": str(tmp_path)})
    monkeypatch.setattr("tickets.opening.read_design", partial(read_design, system_fonts=False))
    with capture_logs() as logged:
        design = await start(settings)
    assert (design.layout, design.folder) == ("a4", tmp_path)
    [warning] = [entry for entry in logged if entry["event"] == "ticket_fonts_missing"]
    assert warning["log_level"] == "warning"
    assert {"Chinese", "Emoji"} <= set(warning["scripts"].split(", "))
    assert "fonts-noto-cjk" in warning["remedy"]
    (tmp_path / "brand.toml").write_text("ink = 1")
    with pytest.raises(SettingError, match=r"AISLE_TICKET_DESIGN: brand\.toml"):
        await start(settings)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="not a folder"):
        open_design(tmp_path / "x", "a6")
