"""Normal forms of the addresses in settings: URLs of servers, origins, the sender of e-mails."""
