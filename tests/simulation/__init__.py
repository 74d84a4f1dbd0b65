"""Deterministic simulation: the real code under a seeded scheduler that crashes, delays and disconnects processes.

Gateways, seat workers, publisher and the notifier's intake are the real code. The log is the one in memory; PostgreSQL,
Redis and the network are fakes. One seed gives one schedule, on any machine: time is virtual, and all random choices
come from the seed. At the end of a run the faults stop and the instance settles; a checker then compares what is
stored, what was published and what clients received with the invariants of the design.
"""
