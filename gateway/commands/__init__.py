"""Commands on their way: into the log, and back with a decision."""
