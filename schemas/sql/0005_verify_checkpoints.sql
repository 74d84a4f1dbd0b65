-- Where `aisle verify --checkpoint` found everything as decided: the next verify goes on from there. One checkpoint,
-- the newest, is kept.

CREATE TABLE verify_checkpoints (
    partition   integer     PRIMARY KEY,
    next_offset bigint      NOT NULL,                    -- everything before it was decided again and compared
    last_ms     bigint      NOT NULL,                    -- log time there
    rules       smallint    NOT NULL,                    -- by which rules
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE verify_checkpoint_shows (
    show_id   integer PRIMARY KEY,
    partition integer NOT NULL,
    state     bytea   NOT NULL                           -- zlib over JSON: terms, bookings, blocked seats
);
