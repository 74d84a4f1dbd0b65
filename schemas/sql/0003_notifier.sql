-- What the notifier writes.

-- How far each group of readers has read each partition of a topic. Offsets live here, not in the log.
CREATE TABLE consumer_offsets (
    consumer    text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (consumer, partition)
);

-- A letter about an account that somebody wants sent. A queue between two owners: the gateway inserts, the
-- notifier takes rows away and makes deliveries of them in the same transaction.
CREATE TABLE letters_wanted (
    letter_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint      NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('welcome', 'password_reset')),
    data       jsonb       NOT NULL DEFAULT '{}',        -- of password_reset: {"token": "…"}
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per letter, so that a repeated event sends nothing twice. No names and no addresses: those are read
-- from users when the letter is sent.
CREATE TABLE deliveries (
    delivery_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     text        NOT NULL,                   -- partition-offset-n, or letter-n
    kind         text        NOT NULL,                   -- which letter of the event
    user_id      bigint      NOT NULL,
    booking_id   uuid,
    payload      bytea       NOT NULL,                   -- JSON: the event, or the data of the wanted letter
    status       text        NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'sent', 'failed', 'skipped')),
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),     -- while in hand: when its lease runs out
    taken_by     text,                                   -- whose hand it is in
    sent_at      timestamptz,
    last_error   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_id, kind)
);
CREATE INDEX deliveries_due ON deliveries (due_at, delivery_id) WHERE status = 'due';
CREATE INDEX deliveries_due_booking ON deliveries (booking_id, delivery_id) WHERE status = 'due';
