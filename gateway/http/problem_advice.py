"""Explanations of the problem codes: what each means and what a client does about it."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """The explanation of one code."""

    meaning: str
    what_to_do: str


_LOG_IN = "Log in at POST /api/login and send the header Authorization: Bearer followed by the access token."
_SAME_KEY = "Send the same request again after Retry-After, with the same Idempotency-Key: it is never executed twice."
_OTHER_SEATS = (
    "Load the seat map again, choose other seats, and send the new request with a new Idempotency-Key."
)
_OTHER_SHOW = "Choose another show; GET /api/shows lists them."
_REPORT = (
    "Report it to the operator with the request_id, or with the X-Request-Id of the response. A retry with the same"
    " Idempotency-Key is safe."
)

ADVICE: dict[str, Advice] = {
    "invalid_json": Advice(
        "The body of the request is missing, is not JSON or is not in UTF-8.",
        "Send one JSON object in UTF-8; detail says where parsing failed.",
    ),
    "validation": Advice(
        "A field, a query parameter or a header has a value that is not allowed, is missing or is not known here.",
        "Correct what errors lists. Retrying the unchanged request does not help.",
    ),
    "too_many_seats": Advice(
        "One request asks for more seats than a request may have.",
        "Ask for fewer seats, or send several requests, each with an Idempotency-Key of its own.",
    ),
    "seat_unknown": Advice(
        "A label is not the label of a seat of this show, or a section is not one of its sections.",
        "Take labels and sections from GET /api/shows/{id}/seats of this show; seats lists the unknown ones.",
    ),
    "webhook_address": Advice(
        "The address of the webhook is in a private network, or is one of this machine.",
        "Give an address that can be reached from the internet, or have the operator name its network in"
        " AISLE_WEBHOOK_PRIVATE_NETWORKS.",
    ),
    "unauthenticated": Advice("The call needs a login, and the request has no access token.", _LOG_IN),
    "token_expired": Advice(
        "The access token was valid and has expired.",
        "Get a new pair at POST /api/token/refresh and send the request again, with the same Idempotency-Key.",
    ),
    "token_invalid": Advice(
        "The token is invalid, was revoked, or is a refresh token that was used before.",
        "Log in again. Reusing a refresh token ends its whole login.",
    ),
    "bad_credentials": Advice(
        "User name or password is wrong.",
        "Ask for both again; POST /api/password/forgot sends a link that sets a new password.",
    ),
    "payment_required": Advice(
        "The show is sold to customers who pay before their booking is confirmed.",
        "Hold the seats, pay for the hold, and confirm it then.",
    ),
    "forbidden": Advice(
        "The account is logged in, but its role does not allow this call.",
        "Use an account with the role that detail names.",
    ),
    "not_yours": Advice(
        "The booking belongs to another customer.",
        "Use its owner's account, or one of the staff.",
    ),
    "not_found": Advice(
        "The resource does not exist, or this account may not see it.",
        "Check the address; detail names the list that contains existing ones.",
    ),
    "method_not_allowed": Advice(
        "The address exists, but does not support this method.",
        "Use one of the methods in the header Allow.",
    ),
    "not_acceptable": Advice(
        "The header Accept excludes every media type of this call.",
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
        "The body is larger than the limit of this call.",
        "Send less in one request; detail has the limit.",
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
    "show_closed": Advice("Bookings for the show are closed.", _OTHER_SHOW),
    "show_cancelled": Advice("The show is cancelled permanently.", _OTHER_SHOW),
    "not_on_sale": Advice(
        "Sales of this show have not started, or have ended.",
        "Come back at sales_start_at, where the problem has it; otherwise choose another show.",
    ),
    "show_started": Advice("The show has started.", "Choose a later show; GET /api/shows lists them."),
    "seat_taken": Advice(
        "At least one of the seats is held or sold. The request had no effect. Bookings of the customer's own that"
        " have such a seat are in yours.",
        "With yours: confirm that booking, change its seats or cancel it; a new hold does not replace it."
        f" {_OTHER_SEATS}",
    ),
    "seat_blocked": Advice(
        "At least one of the seats is not for sale. None of the seats was booked.", _OTHER_SEATS
    ),
    "limit_exceeded": Advice(
        "The customer would have more seats in this show than a customer may have. yours names bookings that count.",
        "Ask for fewer seats, or cancel a booking of this show first. To have other seats, change those of a booking.",
    ),
    "companion_only": Advice(
        "Companion seats are sold together with an accessible seat beside them until 24 hours before the show starts.",
        "Ask for the accessible seat in the same request, choose other seats, or come back on the day of the show.",
    ),
    "price_differs": Advice(
        "The booking is paid for, and the new seats cost something else.",
        "Choose seats with the same total, or cancel the booking and book again. Staff can settle the difference.",
    ),
    "not_enough_seats": Advice(
        "There are fewer available seats than requested, or not enough adjacent ones.",
        'Request fewer seats, or seats that are not adjacent with "adjacent": false.',
    ),
    "already_cancelled": Advice(
        "The booking was cancelled or released before.",
        "Nothing, if that was the aim. Otherwise book again with a new Idempotency-Key.",
    ),
    "already_confirmed": Advice("The booking was confirmed before.", "Nothing: it has its ticket."),
    "already_open": Advice("The show was opened before.", "Nothing: GET /api/shows/{id} shows it."),
    "hold_expired": Advice(
        "The hold has expired; its seats are available again.",
        "Hold or book again, with a new Idempotency-Key.",
    ),
    "hold_limit": Advice(
        "The hold lasts as long as it can: a hold can be extended until 30 minutes after it was made.",
        "Confirm it before expires_at, or let it expire.",
    ),
    "not_confirmed": Advice("The booking is only held.", "Confirm it first; then it has a ticket."),
    "already_used": Advice("This ticket was used at the door before.", "Ask the staff."),
    "checked_in": Advice(
        "A ticket was used at the door, so its booking can no longer be cancelled and keeps that seat.",
        "Leave the seats in seats where they are, or ask the staff.",
    ),
    "not_checked_in": Advice("The seat is not checked in.", "Nothing, if that was the aim."),
    "wrong_show": Advice(
        "The ticket is genuine and of another show than the one of this door.",
        "Send the guest to the screen that the ticket names.",
    ),
    "wrong_day": Advice(
        "The show starts in more than 12 hours, or ended more than 6 hours ago.",
        "Look at the date on the ticket.",
    ),
    "ticket_unsigned": Advice(
        "The code has no signature, and the booking was confirmed when tickets were signed, or its show is over.",
        "Ask the guest for the ticket of the latest e-mail; staff find the booking by its number.",
    ),
    "email_taken": Advice(
        "Another account has this e-mail address.",
        "Log in to that account, or use another address.",
    ),
    "username_taken": Advice("Another account has this user name.", "Choose another one."),
    "in_use": Advice(
        "Other resources depend on the one to be deleted, such as shows on their movie.",
        "Keep it; detail names the dependents.",
    ),
    "webhook_inactive": Advice(
        "The webhook is switched off, by staff or because its receiver did not take deliveries any more.",
        'Mend the receiver, and switch the webhook on: PATCH /api/webhooks/{id} {"active": true}.',
    ),
    "key_reused": Advice(
        "This Idempotency-Key was used for another request within the last 48 hours.",
        "Correct the client: use a new key for each new request, and the same key for its retries.",
    ),
    "upgrade_required": Advice(
        "This address serves a WebSocket.",
        "Open a WebSocket; a plain GET is not supported.",
    ),
    "rate_limited": Advice("This account or this address sent too many requests in a short time.", _SAME_KEY),
    "internal_error": Advice("An unexpected error occurred.", _REPORT),
    "malformed": Advice("The command could not be decoded by its seat worker; nothing was done.", _REPORT),
    "not_implemented": Advice(
        "The method of the request is none of HTTP's; methods are written in capitals.",
        "Use a method of the call: /docs lists them, and OPTIONS names those of an address.",
    ),
    "overloaded": Advice(
        "More commands arrive than can be decided. The request was certainly not executed.", _SAME_KEY
    ),
    "not_ready": Advice("A prerequisite is missing; missing names it.", "Retry after Retry-After."),
    "log_unavailable": Advice(
        'The log is unavailable. With outcome: "unknown" the command may be in the log.',
        _SAME_KEY + " Without a key, check GET /api/me/bookings first.",
    ),
    "database_unavailable": Advice("The database is unavailable.", _SAME_KEY),
}
"""Code → explanation, for every code of PROBLEMS."""
