"""Accounts, logins and passwords."""
