"""Deliveries: what became of the e-mails, for staff."""
