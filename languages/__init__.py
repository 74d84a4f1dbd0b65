"""The languages of pages and e-mails, and their words."""
