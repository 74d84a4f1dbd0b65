-- What `aisle prune` keeps of the decisions that it drops: the shows as they were left by them, which is where `verify`,
-- `explain` and `rebuild` begin then. Rows as those of verify_checkpoints, but never of what is still in `decisions`.

CREATE TABLE prune_checkpoints (
    partition   integer     PRIMARY KEY,
    next_offset bigint      NOT NULL,                    -- everything before it is in the shows of this checkpoint
    last_ms     bigint      NOT NULL,                    -- log time there
    rules       smallint    NOT NULL,                    -- by which rules it was decided again before it was dropped
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE prune_checkpoint_shows (
    show_id   integer PRIMARY KEY,
    partition integer NOT NULL,
    state     bytea   NOT NULL                           -- zlib over JSON: terms, bookings, blocked seats
);

-- Before which time rows have been dropped or deleted.
CREATE TABLE pruned (
    what      text        PRIMARY KEY,                   -- log, decisions, command_ids
    before_ms bigint      NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);
