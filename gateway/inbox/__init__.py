"""The embedded inbox: e-mails as pages and as JSON."""
