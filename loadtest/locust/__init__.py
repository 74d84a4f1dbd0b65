"""People who want seats, for Locust: what they do, what they saw, and whether it was true.

`locustfile.py` is what Locust is given; `python -m loadtest.locust` (`make loadtest`) runs it without its web
page, against an Aisle of its own or one that runs already. The pure parts know neither Locust nor a network:
`shapes` says how many people there are when, `visits` what each has in mind, `seat_choice` which seats they
want, `observations` what they saw, and `check` compares that with what the service says afterwards.
"""
