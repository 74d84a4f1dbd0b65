"""HTTP and WebSocket gateway: authenticates and validates requests, appends commands to the log, awaits decisions."""
