"""Examples of the bodies of the catalogue and of bookings, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

_NEW_MOVIE: dict[str, Any] = {
    "title": "Le Fabuleux Destin d'Amélie Poulain",
    "duration_minutes": 122,
    "description": "A waitress in Montmartre decides to change the lives of those around her.",
    "genres": ["Comedy", "Romance"],
    "language": "French",
    "rating": "12",
    "poster_url": "https://example.com/posters/amelie.jpg",
}
MOVIE: dict[str, Any] = {"id": 12, **_NEW_MOVIE}

_LAYOUT: dict[str, Any] = {
    "sections": [
        {
            "name": "Stalls",
            "price": {"amount": 1450, "currency": "EUR"},
            "rows": [
                {
                    "name": "A",
                    "seats": 12,
                    "aisles_after": [4, 8],
                    "x": -6.5,
                    "y": 4,
                    "angle": 12,
                    "curve": 30,
                },
                {"name": "B", "seats": 12, "x": -6.5, "y": 5.2, "angle": 12, "curve": 31.2},
            ],
        },
        {
            "name": "Balcony",
            "price": {"amount": 950, "currency": "EUR"},
            "rows": [
                {
                    "name": "K",
                    "seats": ["K1", "K2", "Loge"],
                    "prices": [{"seats": ["Loge"], "price": {"amount": 1950, "currency": "EUR"}}],
                }
            ],
            "level": 1,
        },
    ],
    "stage": {"x": -6, "y": 0, "width": 12, "height": 2, "label": "Screen"},
    "accessible": ["A1", "A12"],
    "companions": ["A2", "A11"],
    "restricted_view": ["B1"],
}
_NEW_SHOW: dict[str, Any] = {
    "movie_id": 12,
    "screen_name": "Screen 2",
    "starts_at": "2026-11-28T19:30:00Z",
    "layout": _LAYOUT,
    "seats_per_customer": 6,
    "sales_start_at": "2026-11-22T09:00:00Z",
    "timezone": "Europe/Paris",
}
SHOW: dict[str, Any] = {
    "id": 7,
    "movie": MOVIE,
    "screen_name": "Screen 2",
    "starts_at": "2026-11-28T19:30:00.000Z",
    "timezone": "Europe/Paris",
    "status": "on_sale",
    "total_seats": 27,
    "available_seats": 19,
    "seats_per_customer": 6,
    "prices": [
        {"section": "Stalls", "price": {"amount": 1450, "currency": "EUR"}},
        {"section": "Balcony", "price": {"amount": 950, "currency": "EUR"}},
        {"section": "Balcony", "price": {"amount": 1950, "currency": "EUR"}},
    ],
    "sales_start_at": "2026-11-22T09:00:00.000Z",
    "sales_end_at": None,
}
PENDING = {"command": "3-18211", "status": "pending"}
PENDING_SHOW = {"command": "3-18211", "show_id": 7, "status": "pending"}

BODIES: dict[str, Any] = {
    "AddMovie": _NEW_MOVIE,
    "ChangeMovie": {"rating": "16"},
    "CreateShow": _NEW_SHOW,
    "ChangeShow": {"starts_at": "2026-11-28T20:00:00Z", "screen_name": "Screen 1", "sales_end_at": None},
    "BlockSeats": {
        "seats": ["A1", "A2"],
        "note": "Camera position",
        "code": "press",
        "release_at": "2026-11-28T18:00:00Z",
    },
    "UnblockSeats": {"seats": ["A1", "A2"]},
    "BookSeats": {"seats": ["A3", "A4"]},
    "HoldSeats": {"quantity": 3, "section": "Stalls", "adjacent": True, "hold_s": 600},
    "ChangeSeats": {"seats": ["B5", "B6"]},
    "SwapSeats": {"with": "01a1fd40-318b-8000-8000-05c8b1fac95c"},
}
"""Operation id → an example of its request body."""
