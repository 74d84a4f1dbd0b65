-- What the seat workers write, all of it in commit_batch. No foreign keys from here to other tables.

CREATE TABLE partitions (
    partition        integer PRIMARY KEY,
    epoch            bigint  NOT NULL DEFAULT 0,         -- how often it has been taken: the fencing number
    next_offset      bigint  NOT NULL DEFAULT 0,         -- the first position without a decision
    published_offset bigint  NOT NULL DEFAULT 0,         -- everything before it has been published
    last_ms          bigint  NOT NULL DEFAULT 0,         -- log time, never running backwards
    owner            text    NOT NULL DEFAULT ''
) WITH (fillfactor = 10);

CREATE TABLE show_states (
    show_id            integer PRIMARY KEY,
    partition          integer NOT NULL,
    status             text    NOT NULL,                 -- open, closed, cancelled
    version            bigint  NOT NULL,                 -- log offset of the last change
    available          integer NOT NULL,
    layout_id          integer NOT NULL,
    layout_digest      text    NOT NULL,
    starts_ms          bigint  NOT NULL,
    seats_per_customer integer NOT NULL,
    sales_start_ms     bigint,
    sales_end_ms       bigint
) WITH (fillfactor = 50);

-- A seat has at most one live claim: held, sold or blocked.
CREATE TABLE claims (
    show_id    integer NOT NULL,
    seat       integer NOT NULL,                         -- index in layout order
    state      "char"  NOT NULL,                         -- h, s, b
    booking_id uuid,                                     -- null when blocked
    PRIMARY KEY (show_id, seat)
);

CREATE TABLE bookings (
    booking_id uuid     PRIMARY KEY,
    show_id    integer  NOT NULL,
    user_id    bigint   NOT NULL,
    status     text     NOT NULL,
    seats      text[]   NOT NULL,                        -- labels, in layout order
    total      bigint   NOT NULL,
    currency   text     NOT NULL,
    created_ms bigint   NOT NULL,
    expires_ms bigint,
    checked_in text,                                     -- JSON: seat → Unix ms; null until somebody was let in
    partition  integer  NOT NULL,                        -- of its last decision
    log_offset bigint   NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX bookings_user ON bookings (user_id, booking_id DESC);
CREATE INDEX bookings_live ON bookings (show_id) WHERE status IN ('held', 'confirmed');
CREATE INDEX bookings_held ON bookings (show_id, expires_ms) WHERE status = 'held';

-- One row per command: audit trail, poll answer and outbox at once.
CREATE TABLE decisions (
    partition  integer  NOT NULL,
    log_offset bigint   NOT NULL,
    at_ms      bigint   NOT NULL,
    command    bytea    NOT NULL,                        -- as it stood in the log
    answer     bytea    NOT NULL,                        -- JSON of the Decision
    rules      smallint NOT NULL,
    PRIMARY KEY (partition, log_offset)
);

-- Apart from decisions, so that those can be dropped by time. An id counts for 48 h of log time.
CREATE TABLE command_ids (
    command_id uuid    PRIMARY KEY,
    partition  integer NOT NULL,
    log_offset bigint  NOT NULL,
    at_ms      bigint  NOT NULL
);

-- Commits one batch, or nothing: it raises on any count that is not as expected.
--   AI001  a partition is not ours any more, or its next offset is another one
--   AI002  a command id has been used before
--   AI003  the rows do not fit what the worker had in memory
CREATE FUNCTION commit_batch(
    p_partition int[], p_epoch bigint[], p_expected bigint[], p_next bigint[], p_published bigint[], p_last_ms bigint[],
    d_partition int[], d_offset bigint[], d_at_ms bigint[], d_command bytea[], d_answer bytea[], d_command_id uuid[],
    d_rules smallint, id_lifetime_ms bigint,
    f_show int[], f_seat int[],
    c_show int[], c_seat int[], c_state text[], c_booking uuid[],
    n_booking uuid[], n_show int[], n_user bigint[], n_status text[], n_seats text[], n_total bigint[], n_currency text[],
    n_created bigint[], n_expires bigint[], n_partition int[], n_offset bigint[],
    u_booking uuid[], u_status text[], u_expires bigint[], u_checked_in text[], u_partition int[], u_offset bigint[],
    o_show int[], o_partition int[], o_status text[], o_version bigint[], o_available int[], o_layout int[], o_digest text[],
    o_starts bigint[], o_limit int[], o_sales_start bigint[], o_sales_end bigint[],
    s_show int[], s_status text[], s_version bigint[], s_available int[],
    s_starts bigint[], s_limit int[], s_sales_start bigint[], s_sales_end bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    -- In partition order, so that two writers that meet over several partitions cannot deadlock.
    PERFORM 1 FROM partitions WHERE partition = ANY (p_partition) ORDER BY partition FOR UPDATE;
    UPDATE partitions t
       SET next_offset = p.next, published_offset = p.published, last_ms = p.last_ms
      FROM unnest(p_partition, p_epoch, p_expected, p_next, p_published, p_last_ms)
           AS p (partition, epoch, expected, next, published, last_ms)
     WHERE t.partition = p.partition AND t.epoch = p.epoch AND t.next_offset = p.expected;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> cardinality(p_partition) THEN
        RAISE EXCEPTION 'of % partitions % are still ours', cardinality(p_partition), changed USING ERRCODE = 'AI001';
    END IF;

    INSERT INTO decisions (partition, log_offset, at_ms, command, answer, rules)
    SELECT d.*, d_rules FROM unnest(d_partition, d_offset, d_at_ms, d_command, d_answer) d;

    INSERT INTO command_ids AS old (command_id, partition, log_offset, at_ms)
    SELECT * FROM unnest(d_command_id, d_partition, d_offset, d_at_ms) d (command_id, partition, log_offset, at_ms)
     WHERE command_id IS NOT NULL ORDER BY command_id
        ON CONFLICT (command_id) DO UPDATE
       SET partition = excluded.partition, log_offset = excluded.log_offset, at_ms = excluded.at_ms
     WHERE old.at_ms < excluded.at_ms - id_lifetime_ms;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> cardinality(array_remove(d_command_id, NULL)) THEN
        RAISE EXCEPTION 'a command id of the batch has been used before' USING ERRCODE = 'AI002';
    END IF;

    IF cardinality(f_show) > 0 THEN
        DELETE FROM claims t USING unnest(f_show, f_seat) f (show_id, seat)
         WHERE t.show_id = f.show_id AND t.seat = f.seat;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(f_show) THEN
            RAISE EXCEPTION 'of % claims to free % were there', cardinality(f_show), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;
    INSERT INTO claims (show_id, seat, state, booking_id)
    SELECT show_id, seat, state::"char", booking_id
      FROM unnest(c_show, c_seat, c_state, c_booking) c (show_id, seat, state, booking_id);

    INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency,
                          created_ms, expires_ms, partition, log_offset)
    SELECT booking_id, show_id, user_id, status, string_to_array(seats, E'\x1f'), total, currency,
           created_ms, expires_ms, partition, log_offset
      FROM unnest(n_booking, n_show, n_user, n_status, n_seats, n_total, n_currency,
                  n_created, n_expires, n_partition, n_offset)
           n (booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition, log_offset);
    IF cardinality(u_booking) > 0 THEN
        UPDATE bookings t
           SET status = u.status, expires_ms = u.expires_ms, checked_in = u.checked_in,
               partition = u.partition, log_offset = u.log_offset
          FROM unnest(u_booking, u_status, u_expires, u_checked_in, u_partition, u_offset)
               u (booking_id, status, expires_ms, checked_in, partition, log_offset)
         WHERE t.booking_id = u.booking_id;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(u_booking) THEN
            RAISE EXCEPTION 'of % bookings % were there', cardinality(u_booking), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;

    IF cardinality(o_show) > 0 THEN
        INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest,
                                 starts_ms, seats_per_customer, sales_start_ms, sales_end_ms)
        SELECT * FROM unnest(o_show, o_partition, o_status, o_version, o_available, o_layout, o_digest,
                             o_starts, o_limit, o_sales_start, o_sales_end);
    END IF;
    IF cardinality(s_show) > 0 THEN
        UPDATE show_states t
           SET status = s.status, version = s.version, available = s.available, starts_ms = s.starts_ms,
               seats_per_customer = s.seats_per_customer, sales_start_ms = s.sales_start_ms, sales_end_ms = s.sales_end_ms
          FROM unnest(s_show, s_status, s_version, s_available, s_starts, s_limit, s_sales_start, s_sales_end)
               s (show_id, status, version, available, starts_ms, seats_per_customer, sales_start_ms, sales_end_ms)
         WHERE t.show_id = s.show_id;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(s_show) THEN
            RAISE EXCEPTION 'of % shows % were there', cardinality(s_show), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;
END $$;
