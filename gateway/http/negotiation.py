"""Content negotiation: the Accept header against a response's media type."""

from __future__ import annotations

from gateway.http.problems import Problem


def check_accept(accept: str, media_type: str) -> None:
    """Checks that Accept allows this media type, or problem documents. Raises Problem `not_acceptable`."""
    if accept in ("", "*/*", media_type):
        return
    ranges = [part.partition(";") for part in accept.lower().split(",") if part.strip()]
    acceptable = (media_type, "application/problem+json", f"{media_type.partition('/')[0]}/*", "*/*")
    if ranges and not any(
        kind.strip() in acceptable and not _excluded(options) for kind, _, options in ranges
    ):
        raise Problem("not_acceptable", f"The response is {media_type}: allow it in Accept.")


def _excluded(options: str) -> bool:
    return any(option.strip() in ("q=0", "q=0.0", "q=0.00", "q=0.000") for option in options.split(";"))
