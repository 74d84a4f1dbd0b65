"""A real Kafka on this machine, for trials and tests."""
