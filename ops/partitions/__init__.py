"""The partitions of the log: what each is doing, adding more, and reserving one for a coming show."""
