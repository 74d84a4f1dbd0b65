"""Shared parts of the services: settings, process life, the log, PostgreSQL, Redis, telemetry."""
