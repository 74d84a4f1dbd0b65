-- What the notifier writes.

-- How far each group of readers has read each partition of a topic. Offsets live here, not in the log.
CREATE TABLE consumer_offsets (
    consumer    text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (consumer, partition)
);

-- One row per letter, so that a repeated event sends nothing twice.
CREATE TABLE deliveries (
    delivery_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     text        NOT NULL,                   -- partition-offset-n
    kind         text        NOT NULL,                   -- which letter of the event
    user_id      bigint      NOT NULL,
    booking_id   uuid,
    payload      bytea       NOT NULL,                   -- JSON of the event: what the letter is made from
    status       text        NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'sent', 'failed')),
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    sent_at      timestamptz,
    last_error   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_id, kind)
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE status = 'due';
