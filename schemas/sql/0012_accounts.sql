-- Revoked access tokens are found by a counter, not by clocks; e-mail addresses are confirmed by a link.

-- What access tokens stand for changes with the role, with being deactivated, and where all tokens are ended.
ALTER TABLE users ADD COLUMN token_version bigint NOT NULL DEFAULT 0;
CREATE TABLE token_versions (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    last bigint  NOT NULL
);
INSERT INTO token_versions (last) VALUES (1);
-- Tokens of the release before carry no version: those of accounts that changed lately are refused.
UPDATE users SET token_version = 1 WHERE changed_at > now() - interval '2 hours';

-- The counter's row stays locked until the change is committed, so numbers become visible in their order. The user's row
-- is locked before it. It runs ahead of the clock or with it, so that a database restored from a backup gives no number
-- that was given before.
CREATE FUNCTION raise_token_version_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE token_versions SET last = greatest(last + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    RETURNING last INTO NEW.token_version;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER users_token_version BEFORE UPDATE ON users FOR EACH ROW
    WHEN ((OLD.role, OLD.active, OLD.tokens_from) IS DISTINCT FROM (NEW.role, NEW.active, NEW.tokens_from))
    EXECUTE FUNCTION raise_token_version_v1();
CREATE INDEX users_token_version ON users (token_version) WHERE token_version > 0;

ALTER TABLE users ADD COLUMN email_confirmed boolean NOT NULL DEFAULT false;

-- One-time links that confirm an address: that of a sign-up, or a new one, which counts from then on. One an account.
CREATE TABLE email_confirmations (
    user_id    bigint      PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    token_hash bytea       NOT NULL UNIQUE,              -- SHA-256
    email      text        NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One-time links that went to an address which is being replaced, and undo that. Until they expire it is nobody else's.
CREATE TABLE email_undos (
    undo_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash bytea       NOT NULL UNIQUE,              -- SHA-256
    email      text        NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX email_undos_address ON email_undos (lower(email), user_id);
CREATE INDEX email_undos_user ON email_undos (user_id);

ALTER TABLE letters_wanted DROP CONSTRAINT letters_wanted_kind_check;
ALTER TABLE letters_wanted ADD CONSTRAINT letters_wanted_kind_check
    CHECK (kind IN ('welcome', 'password_reset', 'email_confirmation', 'email_undo'));
