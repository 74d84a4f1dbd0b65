"""Access tokens: issued, verified and revoked."""
