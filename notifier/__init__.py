"""E-mails to customers: one for each booking event and account message, delivered at least once."""
