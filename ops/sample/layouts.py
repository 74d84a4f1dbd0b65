"""The screens of the sample data: a numbered hall, a cinema with rows and aisles, a theatre with sections."""

from __future__ import annotations

from schemas.layout import Layout, Money, Row, Section, numbered


def hall(currency: str) -> Layout:
    """Returns 120 numbered seats at one price."""
    return numbered(120, Money(900, currency))


def cinema(currency: str) -> Layout:
    """Returns 220 seats in twelve rows with two aisles; the back rows are the premium section."""
    return Layout(
        (
            Section("Premium", Money(1450, currency), tuple(Row(name, 20, (5, 15)) for name in "JKHLM")),
            Section(
                "Standard",
                Money(1150, currency),
                (*(Row(name, 18, (4, 14)) for name in "GFED"), *(Row(name, 16, (4, 12)) for name in "CBA")),
            ),
        )
    )


def theatre(currency: str) -> Layout:
    """Returns 2,000 seats: 1,000 in the stalls, 600 in the circle, 400 in the balcony."""
    letters = "ABCDEFGHJKLMNOPQRSTUVWXYZ"  # without I, which looks like 1
    return Layout(
        (
            Section("Stalls", Money(4500, currency), _rows(letters[:25])),
            Section("Circle", Money(3500, currency), _rows([f"C{letter}" for letter in letters[:15]])),
            Section("Balcony", Money(2200, currency), _rows([f"B{letter}" for letter in letters[:10]])),
        )
    )


def _rows(names: str | list[str]) -> tuple[Row, ...]:
    return tuple(Row(name, 40, (10, 30)) for name in names)
