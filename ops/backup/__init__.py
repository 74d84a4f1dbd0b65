"""Backup and restore of an Aisle: the database, the keys of the home, and what a log in Kafka says of it."""
