"""Tokens of tickets: what a scanner does to them, what a forger may try, and the size of their QR codes."""

from __future__ import annotations

import re
from uuid import UUID
from xml.etree import ElementTree

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tickets.codes import printed_code
from tickets.tokens import (
    ALPHABET,
    MAX_SEAT,
    MAX_SHOW_ID,
    InvalidToken,
    TicketSigner,
    TicketToken,
    UnsignedCode,
    read,
)

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
SIGNER = TicketSigner(PRIVATE)
KEYS = {"2026": PRIVATE.public_key()}
BOOKING = UUID("0192f0c1-2e3d-7a4b-8c5d-6e7f8091a2b3")
TOKEN = SIGNER.sign(BOOKING, 7, 41)
READ = TicketToken(BOOKING, 7, 41, "2026")

ROWS = {
    "QWERTY": ("qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    "QWERTZ": ("qwertzuiopü+", "asdfghjklöä", "yxcvbnm,.-"),
    "AZERTY": ("azertyuiop^$", "qsdfghjklmù", "wxcvbn,;:!"),
}
"""Keys from the left, without shift: America, Germany, France."""


def typed(text: str, scanner: str, computer: str) -> str:
    """What a computer reads when a scanner presses the keys at which it believes these letters to be."""
    place = {
        letter: (row, column)
        for row, letters in enumerate(ROWS[scanner])
        for column, letter in enumerate(letters)
    }
    rows = ROWS[computer]
    return "".join(
        rows[place[letter.lower()][0]][place[letter.lower()][1]]
        if letter.islower()
        else rows[place[letter.lower()][0]][place[letter.lower()][1]].upper()
        for letter in text
    )


@given(st.uuids(), st.integers(0, MAX_SHOW_ID), st.integers(0, MAX_SEAT))
def test_a_signed_token_is_read_back(booking_id: UUID, show_id: int, seat: int) -> None:
    token = SIGNER.sign(booking_id, show_id, seat)
    assert set(token) <= set(ALPHABET)
    assert read(token, KEYS) == TicketToken(booking_id, show_id, seat, "2026")
    assert token == SIGNER.sign(booking_id, show_id, seat)


@pytest.mark.parametrize("computer", ROWS)
@pytest.mark.parametrize("scanner", ROWS)
def test_a_scanner_that_types_gets_every_letter_right_on_every_keyboard(scanner: str, computer: str) -> None:
    assert typed(ALPHABET, scanner, computer) == ALPHABET
    assert read(typed(TOKEN, scanner, computer), KEYS) == READ


def test_the_check_of_keyboards_sees_letters_that_move() -> None:
    moved = {
        letter
        for letter in "abcdefghijklmnopqrstuvwxyz"
        if any(typed(letter, scanner, computer) != letter for scanner in ROWS for computer in ROWS)
    }
    assert moved == set("aqwzym")


@pytest.mark.parametrize(
    "scanned",
    [
        TOKEN.lower(),
        TOKEN.swapcase(),
        TOKEN[:50] + TOKEN[50:].lower(),
        TOKEN + "\r",
        TOKEN + "\r\n",
        TOKEN + "\t",
        f" \t{TOKEN}\u00a0\n",
        f"\n{TOKEN[:80]}\r\n{TOKEN[80:]}",
    ],
)
def test_case_and_white_space_do_not_matter(scanned: str) -> None:
    assert read(scanned, KEYS) == READ


@pytest.mark.parametrize("position", range(0, len(TOKEN), 3))
def test_a_changed_letter_is_noticed(position: int) -> None:
    other = ALPHABET[(ALPHABET.index(TOKEN[position]) + 1) % 16]
    with pytest.raises(InvalidToken):
        read(TOKEN[:position] + other + TOKEN[position + 1 :], KEYS)


@given(st.text(max_size=300) | st.text(ALPHABET, max_size=200) | st.binary(max_size=300).map(bytes.hex))
def test_other_texts_are_invalid(text: str) -> None:
    with pytest.raises(InvalidToken):
        read(text, KEYS)


@pytest.mark.parametrize(
    "text", ["", TOKEN[:-1], TOKEN[:-2], TOKEN + "BB", TOKEN * 2, "B" * 10**6, TOKEN.replace("K", "\u212a")]
)
def test_cut_and_lengthened_tokens_are_invalid(text: str) -> None:
    with pytest.raises(InvalidToken):
        read(text, KEYS)


def test_a_token_of_another_key_is_invalid() -> None:
    with pytest.raises(InvalidToken, match="unknown key"):
        read(TicketSigner(OTHER).sign(BOOKING, 7, 41), KEYS)
    with pytest.raises(InvalidToken, match="unknown key"):
        read(TOKEN, {})


def test_tokens_of_all_listed_keys_are_read_while_keys_rotate() -> None:
    keys = {"new": OTHER.public_key(), **KEYS}
    assert read(TOKEN, keys) == READ
    assert read(TicketSigner(OTHER).sign(BOOKING, 7, 41), keys) == TicketToken(BOOKING, 7, 41, "new")


def test_a_signature_for_another_seat_does_not_fit() -> None:
    other = SIGNER.sign(BOOKING, 7, 42)
    assert len(other) == len(TOKEN)
    with pytest.raises(InvalidToken, match="wrong signature"):
        read(TOKEN[:-128] + other[-128:], KEYS)


@pytest.mark.parametrize(("show_id", "version"), [(1, 7), (2**24 - 1, 7), (2**31 - 1, 8), (MAX_SHOW_ID, 8)])
def test_the_code_fits_qr_version_8_at_level_m_in_alphanumeric_mode(show_id: int, version: int) -> None:
    code = segno.make(SIGNER.sign(BOOKING, show_id, MAX_SEAT), error="m", micro=False, boost_error=False)
    assert (code.version, code.error, code.mode) == (version, "M", "alphanumeric")


@pytest.mark.parametrize("label", ["C12", "Ж7", "É12", "席12", "क12", "A:1"])
@pytest.mark.parametrize("form", ["aisle:{}:{}", " AISLE:{}:{}\r\n", "aisle:{}:{}\t"])
def test_codes_from_before_signing_are_recognised(form: str, label: str) -> None:
    assert read(form.format(BOOKING, label), KEYS) == UnsignedCode(BOOKING, label)
    assert read(form.format(str(BOOKING).upper(), label), KEYS) == UnsignedCode(BOOKING, label)


@pytest.mark.parametrize("text", ["aisle:", "aisle:7:C12", f"aisle:{BOOKING}:", f"aisle:{'-' * 36}:C12"])
def test_malformed_codes_from_before_signing_are_invalid(text: str) -> None:
    with pytest.raises(InvalidToken):
        read(text, KEYS)


@pytest.mark.parametrize(("show_id", "seat"), [(-1, 0), (MAX_SHOW_ID + 1, 0), (1, -1), (1, MAX_SEAT + 1)])
def test_numbers_that_do_not_fit_are_not_signed(show_id: int, seat: int) -> None:
    with pytest.raises(ValueError, match="no token"):
        SIGNER.sign(BOOKING, show_id, seat)


@pytest.mark.parametrize("show_id", [7, 2**24, MAX_SHOW_ID])
def test_the_code_is_the_one_that_another_program_makes(show_id: int) -> None:
    token = SIGNER.sign(BOOKING, show_id, 41)
    drawing = ElementTree.fromstring(printed_code(token))
    size = int((drawing.get("viewBox") or "").split()[2])
    drawn = [bytearray(size) for _ in range(size)]
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", drawing[0].get("d") or ""):
        drawn[int(y)][int(x) : int(x) + int(length)] = b"\1" * int(length)
    codes = [segno.make(token, error="m", micro=False, boost_error=False, mask=mask) for mask in range(8)]
    assert drawn in [[bytearray(row) for row in code.matrix] for code in codes]
