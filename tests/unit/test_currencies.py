"""Currencies: which a price may have, and how many digits their minor units have."""

from __future__ import annotations

from decimal import Decimal

import iso4217
import msgspec
import pytest
from babel import Locale
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from gateway.reports.lines import decimal
from schemas.currencies import MINOR_DIGITS, is_currency, minor_digits
from schemas.layout import Money, decode_layout, encode_layout, numbered
from schemas.layout_problems import problems
from tickets import formats


def test_the_table_is_that_of_iso_4217() -> None:
    current = {c.code: c.exponent for c in iso4217.Currency if c.exponent is not None}
    assert current == MINOR_DIGITS


@pytest.mark.parametrize(
    "code", ["EUR\n", "eur", "ZZZ", "", "EU", "EURO", "XXX", "XTS", "XAU", "XDR", "DEM", "HRK", "ＥＵＲ"]
)
def test_other_codes_are_refused_for_a_new_layout(code: str) -> None:
    assert not is_currency(code)
    fields = [field for field, _ in problems(numbered(2, Money(100, code)))]
    assert fields == ["sections[0].price.currency"]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("RSD", "RSD1,200.00"),
        ("HUF", "HUF1,200.00"),
        ("IRR", "IRR1,200.00"),
        ("LBP", "LBP1,200.00"),
        ("TWD", "NT$1,200.00"),
        ("MGA", "MGA1,200.00"),
        ("MRU", "MRU1,200.00"),
        ("CLP", "CLP120,000"),
        ("UGX", "UGX120,000"),
        ("PYG", "PYG120,000"),
        ("IQD", "IQD120.000"),
        ("BHD", "BHD120.000"),
        ("CLF", "CLF12.0000"),
        ("UYW", "UYW12.0000"),
    ],
)
def test_prices_are_written_with_the_digits_of_iso_4217(code: str, shown: str) -> None:
    assert formats.money(Money(120_000, code), "en").replace("\xa0", "") == shown
    assert f"{decimal(120_000, code):f}" == shown.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ$").replace(",", "")


@given(
    amount=st.integers(0, 10**10),
    code=st.sampled_from(sorted(MINOR_DIGITS)),
    locale=st.sampled_from(["en", "en_GB", "de", "fr", "pt_BR", "ja"]),
)
def test_a_written_price_reads_as_its_amount(amount: int, code: str, locale: str) -> None:
    written = formats.money(Money(amount, code), locale)
    symbols = Locale.parse(locale).number_symbols["latn"]
    kept = {*"0123456789", symbols["decimal"], symbols["group"]}
    number = "".join(c for c in written.replace("CFA", "") if c in kept).strip(" .,\xa0\u202f")
    assert parse_decimal(number, locale=locale) == Decimal(amount).scaleb(-minor_digits(code))


@given(code=st.from_regex(r"[A-Z]{3}\n?", fullmatch=True), amount=st.integers(0, 10**10))
def test_stored_layouts_with_any_code_can_be_read_and_written(code: str, amount: int) -> None:
    layout = numbered(3, Money(amount, code))
    body = encode_layout(layout)
    assert decode_layout(body) == layout
    for locale in ("en", "de", "ar"):
        written = formats.money(layout.sections[0].price, locale)
        assert "\n" not in written
        assert written.strip()
    assert decimal(amount, code) == Decimal(amount).scaleb(-minor_digits(code))


def test_a_sum_beyond_64_bits_keeps_every_digit() -> None:
    assert f"{decimal(-(2**80) - 1, 'EUR'):f}" == "-12089258196146291747061.77"
    assert msgspec.json.encode(Money(10**10, "CLF")) == b'{"amount":10000000000,"currency":"CLF"}'
