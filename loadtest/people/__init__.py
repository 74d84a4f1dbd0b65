"""People who want seats, for Locust: what they do, what they saw, and whether it was true.

`locustfile.py` is what Locust is given; `python -m loadtest.people` (`make loadtest`) runs it without its web
page, against an Aisle of its own or one that runs already. The pure parts know neither Locust nor a network:
`shapes` says how many people there are when, `visits` what each has in mind, `seat_choice` which seats they
want, `sightings` what they saw, and `verdict` compares that with what the service says afterwards.
"""
