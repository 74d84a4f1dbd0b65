"""Recorded releases: a database of each, with its log, decisions, tables and e-mails. Never recorded again."""
