-- Keys of calls that do not go through the log, and what a scrape of the notifier's metrics reads.

-- The first answer to a request with an Idempotency-Key, for 48 hours. Written in the transaction that does what was
-- asked, so that the two are there together or not at all.
CREATE TABLE stored_answers (
    answer_id  uuid        PRIMARY KEY,                  -- made of account, route and key
    digest     bytea       NOT NULL,                     -- SHA-256 of the decoded body
    status     smallint,                                 -- null only while the transaction runs
    location   text,
    body       bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stored_answers_age ON stored_answers (created_at);
