"""The characters that labels of new layouts may have, and the messages that refuse others."""

from __future__ import annotations

import unicodedata

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import joiners
from schemas.layout import Layout, Money, Row, Section
from schemas.layout_problems import in_stored_form, problems
from schemas.seat_labels import MAX_LABEL, label_fault, read_pattern
from schemas.seating import Seating

EUR = Money(1200, "EUR")


def listed(*labels: str) -> Layout:
    return Layout((Section("", EUR, (Row("A", labels),)),))


def faults(layout: Layout) -> list[tuple[str, str]]:
    return list(problems(in_stored_form(layout)))


@pytest.mark.parametrize(
    ("label", "named"),
    [
        ("\ufeffA1", r"'\ufeffA1' has U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("A\u00a02", r"'A\xa02' has U+00A0 NO-BREAK SPACE"),
        ("A\u30003", r"'A\u30003' has U+3000 IDEOGRAPHIC SPACE"),
        ("A\u200b5", r"'A\u200b5' has U+200B ZERO WIDTH SPACE"),
        ("A\u202e6", r"'A\u202e6' has U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("A\u20667", r"'A\u20667' has U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("A\u061c7", r"'A\u061c7' has U+061C ARABIC LETTER MARK"),
        ("A\u00ad7", r"'A\xad7' has U+00AD SOFT HYPHEN"),
        ("A\u20287", r"'A\u20287' has U+2028 LINE SEPARATOR"),
        ("A\n7", r"'A\n7' has U+000A"),
        ("A\x7f7", r"'A\x7f7' has U+007F"),
        ("\x007", r"'\x007' has U+0000"),
        ("A\ud8007", r"'A\ud8007' has U+D800"),
        ("A\ue0007", r"'A\ue0007' has U+E000"),
        ("A\uffff7", r"'A\uffff7' has U+FFFF"),
        ("A\u034f7", "has U+034F COMBINING GRAPHEME JOINER"),
        ("A\u31647", "has U+3164 HANGUL FILLER"),
        ("A\u28007", "has U+2800 BRAILLE PATTERN BLANK"),
        ("\u2764\ufe0f", "has U+FE0F VARIATION SELECTOR-16"),
        ("A\U000e00417", "has U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("A\u200d1", r"'A\u200d1' has U+200D ZERO WIDTH JOINER"),
        ("A\u200c1", r"'A\u200c1' has U+200C ZERO WIDTH NON-JOINER"),
        (" A1", "' A1' begins or ends with a space"),
        ("É1 ", "begins or ends with a space"),
        ("", "'' has 0 characters"),
        ("A" * 17, "has 17 characters"),
        ("É" * 17, "has 17 characters"),
    ],
)
def test_an_unusable_label_is_refused_with_the_seat_and_the_code_point(label: str, named: str) -> None:
    [(field, message)] = faults(listed("A1", label))
    assert field == "sections[0].rows[0].seats"
    assert named in message


def test_every_unusable_label_of_a_layout_is_named_up_to_twenty() -> None:
    odd = ("\ufeffA1", "A\u00a02", "A\u30003", "\u0915\u094d\u200d\u09374", "A\u200b5", "A\u202e6")
    messages = [message for _, message in faults(listed(*odd))]
    assert [message.partition(" ")[0] for message in messages] == [
        ascii(label) for label in odd if label != odd[3]
    ]
    assert len(faults(listed(*(f"A\u200b{n}" for n in range(1000))))) == 20


@pytest.mark.parametrize(
    "label",
    [
        "A1",
        "Row 3 seat 5",
        "É12",
        "Ж7",
        "席12",
        "أ12",
        "א12",
        "พี่1",
        "👍1",
        "½",
        "1\u0338",
        "\u0915\u094d\u200d\u09374",  # Devanagari: half ka + ssa
        "\u0915\u094d\u200c\u0937",  # Devanagari: ka with a visible virama + ssa
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala: sri
        "\u0d28\u0d4d\u200d1",  # Malayalam: chillu n, written the older way
        "\u09b0\u200d\u09cd\u09af",  # Bengali: ra + ya-phala
        "\u0646\u0645\u06cc\u200c\u062e",  # Persian: nami-kh…
        "\u0628\u064e\u200c\u0628",  # Arabic: a vowel mark before the non-joiner
    ],
)
def test_a_visible_label_of_any_script_is_taken_and_found(label: str) -> None:
    assert faults(listed(label)) == []
    [stored] = Seating(in_stored_form(listed(label))).labels
    assert stored == unicodedata.normalize("NFC", label)


@pytest.mark.parametrize(
    "label",
    [
        "\u094d\u200d1",  # a virama without a letter
        "A\u094d\u200d\u0937",  # a virama after a letter of another script
        "\u0915\u094d\u200d\u200d\u0937",  # two joiners
        "\u0915\u094d\u200c",  # a non-joiner before nothing
        "\u0915\u094d\u200cA",  # a non-joiner before a letter of another script
        "\u0915\u200d\u0937",  # no virama
        "\u0627\u200c\u0628",  # alef joins nothing anyway
        "\u0628\u200c1",  # a digit joins nothing
        "\u0628\u200c\u072b",  # Arabic and Syriac do not join
        "\u0628\u200d",  # a joiner at the end
        "\u200c\u0628",
        "👩\u200d🚀",
    ],
)
def test_a_joiner_that_changes_nothing_is_refused(label: str) -> None:
    assert any(named in (label_fault(label) or "") for named in ("U+200C", "U+200D"))


ALPHABET = "\u200c\u200d\u0915\u094d\u0937\u093c\u0627\u0628\u064e\u06cc\u0710\u072b1A\u1820\u07ca"


@given(st.text(ALPHABET, min_size=1, max_size=8))
def test_joiners_are_allowed_only_where_domain_names_may_have_them(label: str) -> None:
    for at, character in enumerate(label):
        if character in joiners.JOINERS and joiners.is_joiner_needed(label, at):
            before_virama = character == joiners.JOINER and label[at + 1 : at + 2] == "\u094d"
            assert before_virama or idna.core.valid_contextj(label, at)


def test_letters_join_as_in_the_tables_for_domain_names() -> None:
    types = {
        character: idna.core._joining_type(ord(character)) for character in map(chr, range(0x600, 0x8D0))
    }
    joining = {one for one, kind in types.items() if kind in ("D", "L", ord("D"), ord("L"))}
    either = joining | {one for one, kind in types.items() if kind in ("R", ord("R"))}
    assert joining
    assert {one for one in joiners._BEFORE_NON_JOINER if one in types} == joining
    assert {one for one in joiners._AFTER_NON_JOINER if one in types} == either


@given(st.characters())
def test_a_label_that_is_taken_has_only_characters_that_can_be_printed(character: str) -> None:
    if label_fault(f"A{character}1") is None:
        assert character == " " or character.isprintable()


def test_no_invisible_character_is_taken() -> None:
    codes = (*range(0x20000), *range(0xE0000, 0xE0200))
    taken = [chr(code) for code in codes if label_fault(f"A{chr(code)}1") is None]
    assert len(taken) > 50_000
    assert not [one for one in taken if unicodedata.category(one)[0] in "CZ" and one != " "]
    names = [unicodedata.name(one, "") for one in taken]
    invisible = (
        "VARIATION SELECTOR",
        "HANGUL FILLER",
        "GRAPHEME JOINER",
        "ZERO WIDTH",
        "PATTERN BLANK",
        "INHERENT",
        "SMALL SCRIPT FILLER",
    )
    assert not [name for name in names if any(word in name for word in invisible)]


# --- duplicates ---


def test_labels_that_are_the_same_in_nfc_are_duplicates() -> None:
    [(field, message)] = faults(listed("\u00c91", "E\u03011"))
    assert field == "sections[0].rows[0].seats"
    assert message.startswith("row 'A' seat 2 and row 'A' seat 1 are both 'É1': ")


def test_rows_with_numbers_for_names_are_named_with_the_way_out() -> None:
    rows = tuple(Row(str(n), 12) for n in range(1, 13))
    found = faults(Layout((Section("", EUR, rows),)))
    assert found[0] == (
        "sections[0].rows[10].seats",
        "row '11' seat 1 and row '1' seat 11 are both '111': give the section a label such as \"{row}-{seat}\"",
    )
    for layout in (
        Layout((Section("", EUR, rows, label="{row}-{seat}"),)),
        Layout((Section("", EUR, rows),), label="{row}-{seat}"),
    ):
        assert faults(layout) == []
        assert Seating(layout).labels[10 * 12] == "11-1"


def test_rows_of_one_name_in_two_sections_are_named_with_a_way_out_that_works() -> None:
    sections = Section("Stalls", EUR, (Row("A", 2),)), Section("Circle", EUR, (Row("A", 2),))
    [(field, message)] = faults(Layout(sections))
    assert field == "sections[1].rows[0].seats"
    assert message == (
        "row 'A' of 'Circle' seat 1 and row 'A' of 'Stalls' seat 1 are both 'A1': "
        'give the section a label such as "B-{row}{seat}"'
    )
    mended = Section("Circle", EUR, (Row("A", 2),), label="B-{row}{seat}")
    assert faults(Layout((sections[0], mended))) == []


# --- patterns ---


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{row}",
            "{seat}{seat}",
            "{row}{row}{seat}",
            "{seat:03}",
            "{seat!r}",
            "{0}",
            "{seat}{",
            "}{seat}",
        ),
        *("{{seat}}", "{ seat }", "{row.name}{seat}", "{column}{seat}", "{Seat}"),
    ],
)
def test_a_pattern_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        read_pattern(text)
    section = Section("", EUR, (Row("A", 3),))
    assert [field for field, _ in faults(Layout((section,), label=text))] == ["label"]
    section = Section("", EUR, (Row("A", 3),), label=text)
    assert [field for field, _ in faults(Layout((section,)))] == ["sections[0].label"]


def test_a_pattern_goes_only_with_rows_whose_seats_is_a_number() -> None:
    rows = (Row("A", 3), Row("B", ("x",)))
    [(field, message)] = faults(Layout((Section("", EUR, rows, label="{row}-{seat}"),)))
    assert field == "sections[0].label"
    assert "row 'B' lists its labels" in message
    assert [field for field, _ in faults(Layout((Section("", EUR, rows),), label="{seat}{row}"))] == ["label"]
    own = Section("", EUR, (Row("A", 3),), label="{row}-{seat}")
    both = Layout((own, Section("T", EUR, (Row("B", 3),))), label="{row}/{seat}")
    assert faults(both) == []
    assert Seating(both).labels == ("A-1", "A-2", "A-3", "B/1", "B/2", "B/3")


@pytest.mark.parametrize(
    ("name", "pattern", "named"),
    [
        ("A\u200b", None, "U+200B"),
        ("A", "{row}\u00a0{seat}", "U+00A0"),
        ("A", " {seat}", "begins or ends"),
        ("A" * 14, "{row}-{seat}", "17 characters"),
        ("\u0301", "E{row}{seat}", "is not in NFC"),
    ],
)
def test_labels_of_a_pattern_are_held_to_the_same_rules(name: str, pattern: str | None, named: str) -> None:
    [(field, message)] = faults(Layout((Section("", EUR, (Row(name, 12),), label=pattern),)))
    assert field == "sections[0].rows[0].seats"
    assert named in message


def test_names_of_rows_and_patterns_are_stored_in_nfc() -> None:
    layout = Layout(
        (Section("", EUR, (Row("E\u0301", 2),), label="{row}e\u0301{seat}"),), accessible=("E\u0301é1",)
    )
    stored = in_stored_form(layout)
    assert Seating(stored).labels == ("Éé1", "Éé2")
    assert Seating(stored).kinds == b"w-"
    assert faults(layout) == []


def test_a_label_may_be_longer_before_it_is_normalised() -> None:
    label = "\u1100\u1161\u11a8" * MAX_LABEL
    assert faults(listed(label)) == []
    assert len(in_stored_form(listed(label)).sections[0].rows[0].labels()[0]) == MAX_LABEL
