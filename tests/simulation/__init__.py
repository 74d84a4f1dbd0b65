"""Deterministic simulation: the real code under a seeded scheduler that crashes, delays and cuts off its parts.

Gateways, seat workers, publisher and the notifier's intake are the real ones; the log is the one in memory,
PostgreSQL, Redis and the network are stand-ins. One seed gives one schedule, on any machine: time is virtual
and whatever is random comes from the seed. After each run everything may settle, and a checker compares what
is stored, what was published and what clients saw with the invariants of the design.
"""
