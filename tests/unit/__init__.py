"""Pure code and single files; no server."""
