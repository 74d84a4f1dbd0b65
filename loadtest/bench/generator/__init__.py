"""The load generator, a separate process: closed and open loops, WebSockets."""
