"""Structured data of pages for search engines and previews: schema.org in JSON-LD. Pure.

It stands in a data block, which no policy has to allow since nothing executes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from gateway.site.names import language_code
from schemas.api_catalogue import MovieBody, ShowBody
from schemas.currencies import minor_digits

Data = dict[str, Any]

_SCHEMA = "https://schema.org"
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"}


def data_block(data: Data) -> Markup:
    """The element with this data."""
    text = script_json({"@context": _SCHEMA, **data})
    return Markup('<script type="application/ld+json">{}</script>').format(text)


def script_json(data: Data) -> Markup:
    """JSON for a data block. Nothing in it can end the block or be taken for HTML."""
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE))


def movie_data(
    movie: MovieBody, url: str, image: str, shows: Iterable[ShowBody] = (), site: str = ""
) -> Data:
    """A movie with its shows. `site`: the address of the site, without a slash at its end."""
    return {
        "@graph": [
            _movie(movie, url, image),
            *(show_data(show, f"{site}/shows/{show.id}", image, movie_url=url) for show in shows),
        ]
    }


def show_data(show: ShowBody, url: str, image: str, movie_url: str) -> Data:
    """A show with its offers."""
    starts_at = datetime.fromisoformat(show.starts_at).astimezone(ZoneInfo(show.timezone))
    ends_at = starts_at + timedelta(minutes=show.movie.duration_minutes)
    cancelled = show.status == "cancelled"
    return {
        "@type": "ScreeningEvent",
        "@id": url,
        "url": url,
        "name": show.movie.title,
        "image": image,
        "startDate": starts_at.isoformat(timespec="minutes"),
        "endDate": ends_at.isoformat(timespec="minutes"),
        "eventStatus": f"{_SCHEMA}/{'EventCancelled' if cancelled else 'EventScheduled'}",
        "eventAttendanceMode": f"{_SCHEMA}/OfflineEventAttendanceMode",
        "location": {
            "@type": "MovieTheater",
            "name": show.screen_name,
            "maximumAttendeeCapacity": show.total_seats,
        },
        "workPresented": {"@type": "Movie", "@id": movie_url, "name": show.movie.title},
        "offers": _offers(show, url),
    }


def _movie(movie: MovieBody, url: str, image: str) -> Data:
    found: Data = {
        "@type": "Movie",
        "@id": url,
        "url": url,
        "name": movie.title,
        "image": image,
        "duration": f"PT{movie.duration_minutes}M",
    }
    if movie.description:
        found["description"] = movie.description
    if movie.genres:
        found["genre"] = movie.genres
    if movie.language:
        found["inLanguage"] = language_code(movie.language) or movie.language
    if movie.rating:
        found["contentRating"] = movie.rating
    return found


def _offers(show: ShowBody, url: str) -> list[Data]:
    availability = {
        "on_sale": "InStock" if show.available_seats else "SoldOut",
        "scheduled": "PreOrder",
        "opening": "PreOrder",
    }.get(show.status, "OutOfStock")
    offers = []
    for entry in show.prices:
        digits = minor_digits(entry.price.currency)
        offer: Data = {
            "@type": "Offer",
            "url": url,
            "price": f"{Decimal(entry.price.amount).scaleb(-digits):.{digits}f}",
            "priceCurrency": entry.price.currency,
            "availability": f"{_SCHEMA}/{availability}",
        }
        if entry.section:
            offer["category"] = entry.section
        if show.sales_start_at is not None:
            offer["validFrom"] = show.sales_start_at
        if show.sales_end_at is not None:
            offer["availabilityEnds"] = show.sales_end_at
        offers.append(offer)
    return offers
