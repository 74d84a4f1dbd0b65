"""Normal forms of addresses in settings: server URLs, origins, the sender of e-mails."""
