"""What travels between Aisle's parts and what is stored: messages, layouts, HTTP bodies, SQL migrations.

Everything here is plain data and pure functions on it; the only third-party import is msgspec.
"""
