"""Load test with Locust: simulated users, their observations, and a check against the service.

`locustfile.py` is Locust's entry point; `python -m loadtest.locust` (`make loadtest`) runs it without the web page,
against a new instance or a running service. The pure modules know neither Locust nor a network: `shapes` has the
number of users over time, `visits` their intentions, `seat_choice` the seats they select, `observations` their
results, and `check` compares these with the state of the service.
"""
