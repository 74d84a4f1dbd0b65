"""What is printed at the end of a run. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.locust.observations import Sightings

TOLD_AT_MOST = 20
"""Of what is wrong; there may be thousands of a kind."""


def story(sightings: Sightings) -> list[str]:
    """What people wanted and what came of it, the most frequent first, and what driving them cost."""
    lines = ["What came of what people wanted:"]
    lines += [
        f"{count:>9,}  {outcome}"
        for outcome, count in sorted(sightings.outcomes.items(), key=lambda one: -one[1])
    ]
    if sightings.requests:
        each_us = sightings.cpu_s / sightings.requests * 1e6
        lines.append(
            f"{sightings.requests:,} requests took {sightings.cpu_s:.1f} s of the load generator's CPU, "
            f"{each_us:.0f} µs each."
        )
    return lines


def judgement(sightings: Sightings, wrongs: Sequence[str]) -> list[str]:
    """What the comparison with the service has shown."""
    bookings = len({one.booking_id for one in sightings.seen})
    seen = f"{len(sightings.seen):,} acknowledgements of {bookings:,} bookings, {len(sightings.doubts):,} in doubt"
    if not wrongs:
        return [f"All is as people were told: {seen}; no seat was sold twice."]
    told = [f"WRONG: {wrong}." for wrong in wrongs[:TOLD_AT_MOST]]
    if len(wrongs) > TOLD_AT_MOST:
        told.append(f"… and {len(wrongs) - TOLD_AT_MOST:,} more.")
    return [*told, f"{len(wrongs):,} things are not as people were told: {seen}."]
