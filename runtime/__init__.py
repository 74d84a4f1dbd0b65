"""What the services share: settings, process life, the log, PostgreSQL, Redis, telemetry."""
