"""The benchmark: bookings per second, their latency, and the CPU that each part spends on one.

`python -m loadtest.bench` starts an instance of Aisle, drives it from a separate generator process and ends with
`aisle verify`. Each scenario in `scenarios/` is measured once per round, so that a slow minute of the machine
affects all of them alike.
"""
