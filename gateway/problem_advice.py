"""Explanations of the problem codes: what each means and what a client does about it."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """The explanation of one code."""

    meaning: str
    what_to_do: str


_LOG_IN = "Log in at POST /api/login and send the header Authorization: Bearer followed by the access token."
_SAME_KEY = (
    "Send the same request again after Retry-After, with the same Idempotency-Key: it is never done twice."
)
_OTHER_SEATS = (
    "Load the seat map again, choose other seats, and send the new request with a new Idempotency-Key."
)
_OTHER_SHOW = "Choose another show; GET /api/shows lists them."
_REPORT = (
    "Report it to the operator with the request_id, or else with the X-Request-Id of the answer. A retry with the same"
    " Idempotency-Key is safe."
)

ADVICE: dict[str, Advice] = {
    "invalid_json": Advice(
        "The body of the request is missing, is not JSON or is not in UTF-8.",
        "Send one JSON object in UTF-8; detail says where the reader stopped.",
    ),
    "validation": Advice(
        "A field, a query parameter or a header has a value that is not allowed, is missing or is not known here.",
        "Correct what errors names. Sending the request again as it is does not help.",
    ),
    "too_many_seats": Advice(
        "One request asks for more seats than a request may have.",
        "Ask for fewer seats, or send several requests, each with an Idempotency-Key of its own.",
    ),
    "seat_unknown": Advice(
        "A label is not the label of a seat of this show, or a section is not one of its sections.",
        "Take labels and sections from GET /api/shows/{id}/seats of this very show; seats names those at fault.",
    ),
    "unauthenticated": Advice("The call needs a login, and the request has no access token.", _LOG_IN),
    "token_expired": Advice(
        "The access token was valid and has expired.",
        "Get a new pair at POST /api/token/refresh and send the request again, with the same Idempotency-Key.",
    ),
    "token_invalid": Advice(
        "The token is not one of ours, was revoked, or was spent before.",
        "Log in again. A refresh token that comes back after it was spent ends that whole login.",
    ),
    "bad_credentials": Advice(
        "User name or password is wrong.",
        "Ask for both again; POST /api/password/forgot sends a link that sets a new password.",
    ),
    "forbidden": Advice(
        "The account is logged in, but its role does not allow this call.",
        "Use an account with the role that detail names.",
    ),
    "not_yours": Advice(
        "The booking belongs to somebody else.",
        "Use its owner's account, or one of the staff.",
    ),
    "not_found": Advice(
        "There is nothing at this address, or nothing that this account may see.",
        "Check the address; detail names the list where it would be found.",
    ),
    "method_not_allowed": Advice(
        "The address exists, but does not take this method.",
        "Use one of the methods in the header Allow.",
    ),
    "not_acceptable": Advice(
        "The header Accept excludes every form in which the answer could be sent.",
        "Allow the media type that detail names, or send no Accept header.",
    ),
    "request_timeout": Advice(
        "The request did not arrive completely in time.",
        "Send it again on a new connection.",
    ),
    "length_required": Advice(
        "The call needs a body, and the request has none.",
        "Send the body with its Content-Length, or chunked.",
    ),
    "body_too_large": Advice(
        "The body is larger than this call takes.",
        "Send less in one request; detail says how much is allowed.",
    ),
    "uri_too_long": Advice("The address of the request is too long.", "Shorten it, most often the query."),
    "unsupported_media_type": Advice(
        "The body is declared as something other than JSON in UTF-8.",
        "Send it with Content-Type: application/json.",
    ),
    "headers_too_large": Advice(
        "The headers of the request are too large.",
        "Send fewer or shorter headers; cookies are not needed here.",
    ),
    "show_closed": Advice("The show takes no bookings now.", _OTHER_SHOW),
    "show_cancelled": Advice("The show is cancelled for good.", _OTHER_SHOW),
    "not_on_sale": Advice(
        "Sales of this show have not started, or have ended.",
        "Come back at sales_start_at, where the problem has it; otherwise choose another show.",
    ),
    "show_started": Advice("The show has started.", "Choose a later show; GET /api/shows lists them."),
    "seat_taken": Advice(
        "At least one of the seats is held or sold. None of the seats was booked.", _OTHER_SEATS
    ),
    "seat_blocked": Advice(
        "At least one of the seats is not for sale. None of the seats was booked.", _OTHER_SEATS
    ),
    "limit_exceeded": Advice(
        "The customer would have more seats in this show than a customer may have.",
        "Ask for fewer seats, or cancel a booking of this show first.",
    ),
    "not_enough_seats": Advice(
        "There are not as many free seats as asked for, or not side by side.",
        'Ask for fewer seats, or allow them to be apart with "adjacent": false.',
    ),
    "already_cancelled": Advice(
        "The booking was cancelled or released before.",
        "Nothing, where that was the aim. Otherwise book again with a new Idempotency-Key.",
    ),
    "already_confirmed": Advice("The booking was confirmed before.", "Nothing: it has its ticket."),
    "already_open": Advice("The show was opened before.", "Nothing: GET /api/shows/{id} shows it."),
    "hold_expired": Advice(
        "The time of the hold is over; its seats are free again.",
        "Hold or book again, with a new Idempotency-Key.",
    ),
    "not_confirmed": Advice("The booking is only held.", "Confirm it first; then it has a ticket."),
    "already_used": Advice("This ticket was used at the door before.", "Ask the staff."),
    "checked_in": Advice(
        "A ticket of this booking was used at the door, so the booking stays.", "Ask the staff."
    ),
    "email_taken": Advice(
        "Another account has this e-mail address.",
        "Log in to that account, or use another address.",
    ),
    "username_taken": Advice("Another account has this user name.", "Choose another one."),
    "in_use": Advice(
        "Something else depends on what was to be deleted, such as shows on their movie.",
        "Leave it; detail says what depends on it.",
    ),
    "key_reused": Advice(
        "This Idempotency-Key was used for another request within the last 48 hours.",
        "Correct the client: each new request has a key of its own, each retry the key of its request.",
    ),
    "upgrade_required": Advice(
        "This address is one of a WebSocket.",
        "Open a WebSocket here; a plain GET gets nothing.",
    ),
    "rate_limited": Advice(
        "Too many requests came from this account or this address in a short time.", _SAME_KEY
    ),
    "internal_error": Advice("Something failed that should not fail.", _REPORT),
    "malformed": Advice(
        "The request could not be read when it was to be decided; nothing was done.", _REPORT
    ),
    "overloaded": Advice(
        "More is asked for than can be decided now. The request was certainly not taken.", _SAME_KEY
    ),
    "not_ready": Advice(
        "Something that is needed is not there yet; missing names it.", "Ask again after Retry-After."
    ),
    "log_unavailable": Advice(
        'The log does not answer. With outcome: "unknown" it may have taken the request all the same.',
        _SAME_KEY + " Without a key, look at GET /api/me/bookings first.",
    ),
    "database_unavailable": Advice("The database does not answer.", _SAME_KEY),
}
"""Code → explanation, for every code of PROBLEMS."""
