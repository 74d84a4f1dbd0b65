"""Workers, crashes and time, made up and repeatable."""
