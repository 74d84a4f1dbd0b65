"""Cells of CSV: no text begins a formula in any spreadsheet program, and all of it can still be read."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from gateway.reports.formulas import as_text
from gateway.reports.lines import Cell, lines

SIGNS = "=+-@|%\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\u207a\u207b\u2212\ufe66\ufe6b\u2a75"
BLANKS = " \u00a0\u3000\u2009\u202f\u1680\u2028\u2029\x85\u3164\u2800\t\r\n\v\f"
UNSEEN = (
    "\ufeff\u200b\u200c\u200d\u2060\u00ad\u180e\u034f\ufe0f\u061c\u202e\u2066\u2069\u200e\U000e0001\ue000"
)
CONTROLS = "\x00\x08\x1b\x7f"
HIDDEN = [
    *BLANKS,
    *UNSEEN,
    *CONTROLS,
    '"',
    "'",
    "''",
    '" ',
    "\u201c",
    "\u200b\u00a0 '",
    "\r\n",
    "\ufeff\ufeff",
]
HARMLESS = [
    "",
    " ",
    "Zoë & Łukasz",
    "日本",
    "千と千尋の神隠し",
    "ليلة في القاهرة",
    "12 + 3 = 15",
    "a=1",
    "8½",
    "(500) Days",
    "#1",
    "…and more",
    "¡Átame!",
    "'Tis",
    '"Crocodile" Dundee',
    "Paris; Texas",
    "Line\nbreak",
    "a@example.org",
    "— a dash",
]


@pytest.mark.parametrize("sign", SIGNS)
def test_text_that_begins_with_a_sign_gets_an_apostrophe_whatever_stands_before_it(sign: str) -> None:
    for hidden in ("", *HIDDEN):
        text = f"{hidden}{sign}1+1"
        safe = as_text(text)
        assert safe.startswith("'"), ascii(text)
        assert safe.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("separator", ["; ", ";", "\t", "\n", "\r\n", ';"'])
def test_a_cell_that_begins_inside_the_text_for_another_list_separator_is_safe_too(separator: str) -> None:
    text = f"Paris{separator}=1+1"
    safe = as_text(text)
    assert safe.replace("'", "") == text
    part = safe.replace(";", "\n").replace("\t", "\n").splitlines()[-1]
    assert part.startswith("'")


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert as_text(text) == text


def test_numbers_stay_numbers_and_what_is_quoted_comes_back() -> None:
    row: list[Cell] = ['a "b", c', "two\r\nlines", Decimal("-12.50"), -3, 0.5, True, None, "-12.50", "x;y"]
    assert lines([row]).startswith(b'"a ""b"", c","two\r\nlines",-12.50,-3,0.5,true,,')
    [read] = csv.reader(io.StringIO(lines([row]).decode(), newline=""))
    assert read == ['a "b", c', "two\r\nlines", "-12.50", "-3", "0.5", "true", "", "'-12.50", "x;y"]
