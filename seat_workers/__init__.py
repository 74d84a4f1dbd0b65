"""The seat workers: each is the single writer of whole partitions of the log, and decides their commands in order."""
