"""The benchmark: how many bookings a second, how long each takes, and what every part spends on one.

`python -m loadtest.bench` starts an Aisle of its own, drives it from a generator process of its own and ends
with the verdict of `aisle verify`. Scenarios stand in `scenarios/`; each is measured once a round, and rounds
alternate between them, so that a slow minute of the machine falls on all alike.
"""
