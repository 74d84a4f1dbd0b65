"""Schemas of everything that is sent or stored: messages, layouts, HTTP bodies, SQL migrations.

Everything here is plain data and pure functions on it; the only third-party import is msgspec.
"""
