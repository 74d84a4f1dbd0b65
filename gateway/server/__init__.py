"""The HTTP and WebSocket server: connections, their bounds, and how a response leaves."""
