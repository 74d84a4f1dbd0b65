"""One part against real servers."""
