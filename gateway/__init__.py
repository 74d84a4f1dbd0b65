"""HTTP and WebSockets: checks who asks and what, appends commands to the log, waits for their decisions."""
