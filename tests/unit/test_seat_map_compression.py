"""Compressed seat maps: the same bytes as without compression, and small enough for a phone."""

from __future__ import annotations

import gzip
import random
import zlib

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.encodings import accepted_encoding
from gateway.seat_maps.compression import SMALLEST, brotli_body, compress_head, gzip_body
from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import SeatMapSnapshot, ShowTerms
from ops.sample.arcs import arc
from ops.sample.theatre import theatre
from schemas.layout import Layout, Money, Row, Section, Stage, encode_layout, numbered
from schemas.wire import ShowSeatChanges

TERMS = ShowTerms("open", 2**52)
EUR = Money(1250, "EUR")


def unpacked(body: bytes) -> bytes:
    """Unpacks a body as a stream of one member, and checks its checksum, its length and that nothing follows."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    found = stream.decompress(body)
    assert stream.eof
    assert stream.unused_data == b""
    assert gzip.decompress(body) == found
    return found


rows = st.builds(
    Row,
    name=st.text("ABCDEFé漢", min_size=1, max_size=6),
    seats=st.integers(1, 200),
    x=st.none() | st.floats(-100, 100) | st.integers(-100, 100),
    curve=st.none() | st.integers(-100, 100),
)
layouts = st.builds(
    lambda names, rows, stage: Layout(tuple(Section(name, EUR, tuple(rows)) for name in names), stage=stage),
    st.lists(st.text(max_size=20), min_size=1, max_size=3),
    st.lists(rows, min_size=1, max_size=20),
    st.none() | st.builds(Stage, x=st.integers(-9, 9), y=st.just(0.5), width=st.just(9), height=st.just(1)),
)


@settings(deadline=None)  # thousands of seats take 0.1 s, more on a busy machine
@given(layouts, st.data())
def test_the_gzip_form_of_any_seat_map_is_its_body(layout: Layout, data: st.DataObject) -> None:
    encoded = EncodedLayout(encode_layout(layout))
    seats = len(encoded.seating)
    claims = data.draw(
        st.lists(
            st.tuples(st.integers(0, seats - 1), st.sampled_from(b"hsb")), unique_by=lambda claim: claim[0]
        )
    )
    snapshot = SeatMapSnapshot(7, encoded, data.draw(st.integers(-1, 2**53)), claims, TERMS)
    body = snapshot.gzip_body()
    other = snapshot.brotli_body()
    if len(encoded.head) < SMALLEST:
        assert body is None
        assert other is None
    else:
        assert body is not None
        assert other is not None
        assert unpacked(body) == brotli.decompress(other) == snapshot.body()
        assert len(body) < len(snapshot.body())
        assert len(other) < len(snapshot.body())


@given(st.binary(min_size=SMALLEST, max_size=5000), st.binary(max_size=5000))
def test_any_bytes_come_back(head: bytes, tail: bytes) -> None:
    compressed = compress_head(head, 1000)
    assert compressed is not None
    assert unpacked(gzip_body(compressed, tail)) == head + tail
    assert brotli.decompress(brotli_body(compressed, tail)) == head + tail


@pytest.mark.parametrize("word", [b"[1,2],", b"the time of the seats and the people ", b"a", b'","1-'])
@pytest.mark.parametrize("length", [100, 10_000, 400_000])
def test_a_tail_depends_on_nothing_in_the_head(word: bytes, length: int) -> None:
    """Words of Brotli's dictionary, what is in the head, runs and noise, up to several of the encoder's blocks."""
    dice = random.Random(length)
    head = word * (SMALLEST + dice.randrange(50_000))
    compressed = compress_head(head, len(head))
    assert compressed is not None
    for _ in range(3):
        tail = b""
        while len(tail) < length:
            letters = bytes(dice.choices(b"ahsb", k=dice.randrange(1, 9_999)))
            tail += dice.choice((word * dice.randrange(1, 999), dice.randbytes(99), letters))
        assert brotli.decompress(brotli_body(compressed, tail)) == head + tail


def test_each_version_is_compressed_once_on_the_head_of_its_layout() -> None:
    encoded = EncodedLayout(encode_layout(theatre("EUR")))
    one, other = (SeatMapSnapshot(show, encoded, 10, [(3, ord("s"))], TERMS) for show in (7, 8))
    first, first_brotli = one.gzip_body(), one.brotli_body()
    assert first is not None
    assert first_brotli is not None
    assert one.gzip_body() is first
    assert one.brotli_body() is first_brotli
    assert (one.gzip_etag, one.brotli_etag) == (b'"7.10-gzip"', b'"7.10-br"')
    assert one.apply(ShowSeatChanges(7, 10, 11, {"A1": "h"}))
    assert (one.gzip_etag, one.brotli_etag) == (b'"7.11-gzip"', b'"7.11-br"')
    for snapshot in (one, other):
        later, later_brotli = snapshot.gzip_body(), snapshot.brotli_body()
        assert later is not None
        assert later_brotli is not None
        assert unpacked(later) == brotli.decompress(later_brotli) == snapshot.body()
    assert b'"states":"haa' in one.body()


def test_a_head_that_stays_long_is_not_kept() -> None:
    noise = random.Random(1).randbytes(100_000)
    assert compress_head(noise, 100_000) is not None
    assert compress_head(noise, 1000) is None
    assert compress_head(b"[" * (SMALLEST - 1), 1000) is None


def arena() -> Layout:
    """100,000 seats with everything: places, prices of single seats, kinds, long labels."""
    sections = []
    for number in range(40):
        arcs = [
            arc(f"S{number:02d}R{row:02d}", 100, (25, 75), centre_y=-20, radius=60 + 1.3 * row + number)
            for row in range(25)
        ]
        sections.append(
            Section(f"Section {number}", EUR, tuple(arcs), level=number // 10, label="{row}-{seat}")
        )
    layout = Layout(tuple(sections), stage=Stage(x=-40, y=-10, width=80, height=20, label="Stage"))
    every: list[str] = [
        label
        for section in sections
        for row in section.rows
        for label in row.labels(layout.pattern_of(section))
    ]
    return Layout(
        layout.sections,
        stage=layout.stage,
        accessible=tuple(every[::97]),
        companions=tuple(every[1::97]),
        restricted_view=tuple(every[3::53]),
    )


def half_sold(seats: int) -> list[tuple[int, int]]:
    """Groups of one to six seats, anywhere in the house, held, sold or blocked."""
    dice = random.Random(1)
    taken: dict[int, int] = {}
    while len(taken) < seats // 2:
        first = dice.randrange(seats)
        letter = dice.choice(b"hsssb")
        taken |= dict.fromkeys(range(first, min(first + dice.randint(1, 6), seats)), letter)
    return list(taken.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "gzip_kib", "brotli_kib"),
    [(arena(), 250, 90), (numbered(100_000, EUR), 175, 60), (theatre("EUR"), 4, 3)],
    ids=["arena", "numbered", "theatre"],
)
def test_a_map_is_small(layout: Layout, gzip_kib: int, brotli_kib: int) -> None:
    encoded = EncodedLayout(encode_layout(layout))
    seats = len(encoded.seating)
    snapshot = SeatMapSnapshot(7, encoded, 123_456, half_sold(seats), TERMS)
    for body, kib in ((snapshot.gzip_body(), gzip_kib), (snapshot.brotli_body(), brotli_kib)):
        assert body is not None
        assert len(body) <= kib * 1024


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (b"gzip", True),
        (b"gzip, deflate, br, zstd", True),
        (b"br;q=1.0, GZIP ; q=0.5", True),
        (b"*", True),
        (b"", False),
        (b"identity", False),
        (b"br", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, *", False),
        (b"*;q=0", False),
        (b"gzip;q=0.001", True),
        (b"gzip, " * 200, False),
    ],
)
def test_gzip_is_sent_to_those_who_accept_it(header: bytes, accepted: bool) -> None:
    assert (accepted_encoding(header, (b"gzip",)) == b"gzip") is accepted
