"""Rules for new passwords, of accounts and of settings alike. Pure."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib import resources

import msgspec

from schemas.api_accounts import NewPassword

_MIN_LENGTH = 10


def normal_password(password: str) -> str:
    """Returns the form that is hashed and compared: NFKC, so that equal-looking passwords are equal."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, *names: str) -> str | None:
    """Returns the reason to reject a password: one of the names, or a common password. None if it is accepted."""
    folded = normal_password(password).casefold()
    if any(folded == name.casefold() for name in names):
        return "the password must not be the user name or the e-mail address"
    if folded in common_passwords() or len(set(folded)) < 3:
        return "this is one of the commonest passwords: take another"
    return None


def read_password(password: str, *names: str) -> str:
    """Returns a valid password. Raises ValueError, without the password in its message."""
    try:
        msgspec.convert(password, NewPassword)
    except msgspec.ValidationError:
        raise ValueError("a password has 10 to 128 characters, none of them a control character") from None
    if (weak := weakness(password, *names)) is not None:
        raise ValueError(weak)
    return password


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """Returns common passwords of the required length, in lower case: the list of zxcvbn and ours.

    Reading them takes 20 ms the first time.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    ours = resources.files("runtime").joinpath("common_passwords.txt").read_text("utf-8").split("\n")
    listed = (*FREQUENCY_LISTS["passwords"], *(line for line in ours if not line.startswith("#")))
    return frozenset(password for password in listed if len(password) >= _MIN_LENGTH)
