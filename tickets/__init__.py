"""Tickets: their content, and the PDF that a customer prints or shows.

Pure: no clock, no network, no database. The gateway and the notifier both use it.
"""
