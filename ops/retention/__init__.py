"""Retention: what is old is dropped by time, as whole partitions of tables."""
