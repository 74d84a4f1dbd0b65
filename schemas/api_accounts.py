"""Request and response bodies for accounts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.formats import EmailAddress, Timestamp
from schemas.languages import language_tag
from schemas.text import EMAIL, LANGUAGE, LINE, USERNAME, Secret

Username = Annotated[str, msgspec.Meta(min_length=3, max_length=32, pattern=USERNAME)]
Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=320, pattern=EMAIL, extra_json_schema={"format": "email"})
]
NewPassword = Annotated[str, msgspec.Meta(min_length=10, max_length=128, pattern=LINE)]
PersonName = Annotated[str, msgspec.Meta(max_length=100, pattern=LINE)]
Language = Annotated[str, msgspec.Meta(max_length=35, pattern=LANGUAGE)]
Role = Literal["customer", "staff", "admin"]


class SignupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new account. User name and e-mail address are unique regardless of case."""

    username: Username
    email: Email
    password: NewPassword
    name: PersonName = ""
    language: Language = "en"

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "language", language_tag(self.language))


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`username` is the user name or the e-mail address."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=254, pattern=LINE)]
    password: Secret


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token from the last login or refresh."""

    refresh: Secret


class TokensBody(msgspec.Struct, frozen=True):
    """`access` goes into the header `Authorization: Bearer …`; `refresh` can be used once."""

    access: str
    refresh: str
    expires_in: int
    """Seconds until the access token expires."""
    token_type: Literal["Bearer"] = "Bearer"


class SessionBody(msgspec.Struct, frozen=True):
    """The access token of a browser's session; the refresh token is the cookie `aisle_refresh`."""

    access: str
    expires_in: int
    """Seconds until the access token expires."""
    token_type: Literal["Bearer"] = "Bearer"


class UserBody(msgspec.Struct, frozen=True):
    """An account as its owner and admins see it. Names of a deleted account are null."""

    id: int
    username: str | None
    email: EmailAddress | None
    name: str
    language: str
    role: Role
    created_at: Timestamp
    email_confirmed: bool
    """Whether its owner has used the link that was sent to this address."""


class AccountBody(UserBody, frozen=True):
    """An account as admins see it."""

    active: bool


class UsersPage(msgspec.Struct, frozen=True):
    """Accounts, oldest first."""

    items: list[AccountBody]
    next_cursor: str | None


class ChangeMeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are left out do not change. A new password or e-mail address needs the old password."""

    name: PersonName | msgspec.UnsetType = msgspec.UNSET
    language: Language | msgspec.UnsetType = msgspec.UNSET
    email: Email | msgspec.UnsetType = msgspec.UNSET
    password: NewPassword | msgspec.UnsetType = msgspec.UNSET
    old_password: Secret | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.language is not msgspec.UNSET:
            msgspec.structs.force_setattr(self, "language", language_tag(self.language))


class EmailPreferencesBody(msgspec.Struct, frozen=True):
    """The kinds of e-mails that an account gets besides those about its bookings."""

    reminders: bool
    """Before a show."""
    summaries: bool
    """To staff: a show is sold out or nearly so, and the sales of a day."""


class ChangeEmailPreferencesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are left out do not change."""

    reminders: bool | msgspec.UnsetType = msgspec.UNSET
    summaries: bool | msgspec.UnsetType = msgspec.UNSET


class ForgetMeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password again, so that an open browser is not enough."""

    password: Secret


class ForgotPasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The e-mail address of the account."""

    email: Email


class ResetPasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of the link that came by e-mail, and the new password."""

    token: Secret
    password: NewPassword


class EmailLinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link that came by e-mail."""

    token: Secret


class ChangeUserBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are left out do not change."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
