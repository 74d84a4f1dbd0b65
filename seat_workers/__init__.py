"""The single writers: each owns whole partitions of the log and decides their commands one after another."""
