-- Refresh tokens of browsers are cookies, which two tabs may send at once: for ten seconds a spent one is answered with
-- its successor. That is derived from the spent token and a random value, so that no token is stored, only hashes.

-- A row for each refresh token of a browser that was spent within the last seconds.
CREATE TABLE spent_refresh_tokens (
    login_id     uuid        NOT NULL REFERENCES logins ON DELETE CASCADE,
    refresh_hash bytea       NOT NULL,                   -- SHA-256
    salt         bytea       NOT NULL,                   -- the successor is HMAC-SHA256(token, salt)
    spent_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (login_id, refresh_hash)
);
