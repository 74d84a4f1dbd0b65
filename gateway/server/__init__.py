"""The HTTP and WebSocket server: uvicorn's protocols with bounds, and responses in one write."""
