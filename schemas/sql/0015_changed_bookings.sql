-- Live bookings get other seats, holds are extended, seats are blocked for something and for some time, and staff are
-- paid. The functions of before stay for processes of the release before: columns have defaults for what they write.

ALTER TABLE claims ADD COLUMN code text;                                    -- what a blocked seat is blocked for
ALTER TABLE claims ADD COLUMN release_ms bigint;                            -- when it becomes available by itself
ALTER TABLE bookings ADD COLUMN hold_ms bigint;                             -- length of a hold that was extended
ALTER TABLE bookings ADD COLUMN paid boolean NOT NULL DEFAULT false;        -- staff were paid for it
ALTER TABLE show_states ADD COLUMN payment text NOT NULL DEFAULT 'none';    -- none, required

-- Seats with a timer, for when a partition is taken. One index, since each costs every claim something.
CREATE INDEX claims_due ON claims (show_id) WHERE state = 'h' OR release_ms IS NOT NULL;
DROP INDEX claims_held;

-- Notes of staff and means of payment, which the log does not carry. Written by the gateway before its command.
CREATE TABLE booking_remarks (
    booking_id uuid        PRIMARY KEY,                  -- of a booking, unless its command was refused
    note       text,
    paid       text,                                     -- how it was paid
    staff_id   bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- As commit_batch_v1, with the columns above. An array without a value may be null, which costs less than an empty one;
-- where the new columns have none, the statements are those of before, since each array of an unnest costs something.
-- Seats and total of a changed booking are null if they stay. The length of a new booking's hold that was extended in
-- the same batch is written as a change.
CREATE FUNCTION commit_batch_v2(
    p_partition int[], p_epoch bigint[], p_expected bigint[], p_next bigint[], p_published bigint[], p_last_ms bigint[],
    d_partition int[], d_offset bigint[], d_at_ms bigint[], d_command bytea[], d_answer bytea[], d_command_id uuid[],
    d_rules smallint,
    f_show int[], f_seat int[],
    c_show int[], c_seat int[], c_state text[], c_booking uuid[], c_code text[], c_release bigint[],
    n_booking uuid[], n_show int[], n_user bigint[], n_status text[], n_seats text[], n_total bigint[], n_currency text[],
    n_created bigint[], n_expires bigint[], n_partition int[], n_offset bigint[], n_paid boolean[],
    u_booking uuid[], u_status text[], u_expires bigint[], u_checked_in text[], u_partition int[], u_offset bigint[],
    u_hold bigint[], u_seats text[], u_total bigint[],
    o_show int[], o_partition int[], o_status text[], o_version bigint[], o_available int[], o_layout int[], o_digest text[],
    o_starts bigint[], o_limit int[], o_sales_start bigint[], o_sales_end bigint[], o_payment text[],
    s_show int[], s_version bigint[], s_available int[],
    t_show int[], t_status text[], t_starts bigint[], t_limit int[], t_sales_start bigint[], t_sales_end bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    -- Rows are updated, and so locked, in the order given, which is the partitions': the planner may only go from these
    -- rows to the index (see the ledger's settings).
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

    INSERT INTO command_ids (command_id, partition, log_offset, at_ms)
    SELECT * FROM unnest(d_command_id, d_partition, d_offset, d_at_ms) d (command_id, partition, log_offset, at_ms)
     WHERE command_id IS NOT NULL ORDER BY command_id;

    IF cardinality(f_show) > 0 THEN
        DELETE FROM claims t USING unnest(f_show, f_seat) f (show_id, seat)
         WHERE t.show_id = f.show_id AND t.seat = f.seat;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(f_show) THEN
            RAISE EXCEPTION 'of % claims to free % were there', cardinality(f_show), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;
    IF cardinality(c_show) > 0 THEN
        IF c_code IS NULL AND c_release IS NULL THEN
            INSERT INTO claims (show_id, seat, state, booking_id)
            SELECT show_id, seat, state::"char", booking_id
              FROM unnest(c_show, c_seat, c_state, c_booking) c (show_id, seat, state, booking_id);
        ELSE
            INSERT INTO claims (show_id, seat, state, booking_id, code, release_ms)
            SELECT show_id, seat, state::"char", booking_id, code, release_ms
              FROM unnest(c_show, c_seat, c_state, c_booking, c_code, c_release)
                   c (show_id, seat, state, booking_id, code, release_ms);
        END IF;
    END IF;

    IF cardinality(n_booking) > 0 THEN
        IF n_paid IS NULL THEN
            INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency,
                                  created_ms, expires_ms, partition, log_offset)
            SELECT booking_id, show_id, user_id, status, string_to_array(seats, E'\x1f'), total, currency,
                   created_ms, expires_ms, partition, log_offset
              FROM unnest(n_booking, n_show, n_user, n_status, n_seats, n_total, n_currency,
                          n_created, n_expires, n_partition, n_offset)
                   n (booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition,
                      log_offset);
        ELSE
            INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency,
                                  created_ms, expires_ms, partition, log_offset, paid)
            SELECT booking_id, show_id, user_id, status, string_to_array(seats, E'\x1f'), total, currency,
                   created_ms, expires_ms, partition, log_offset, coalesce(paid, false)
              FROM unnest(n_booking, n_show, n_user, n_status, n_seats, n_total, n_currency,
                          n_created, n_expires, n_partition, n_offset, n_paid)
                   n (booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition,
                      log_offset, paid);
        END IF;
    END IF;
    IF cardinality(u_booking) > 0 THEN
        IF u_hold IS NULL AND u_seats IS NULL THEN
            UPDATE bookings t
               SET status = u.status, expires_ms = u.expires_ms, checked_in = u.checked_in,
                   partition = u.partition, log_offset = u.log_offset
              FROM unnest(u_booking, u_status, u_expires, u_checked_in, u_partition, u_offset)
                   u (booking_id, status, expires_ms, checked_in, partition, log_offset)
             WHERE t.booking_id = u.booking_id;
        ELSE
            UPDATE bookings t
               SET status = u.status, expires_ms = u.expires_ms, checked_in = u.checked_in,
                   partition = u.partition, log_offset = u.log_offset, hold_ms = u.hold_ms,
                   seats = coalesce(string_to_array(u.seats, E'\x1f'), t.seats), total = coalesce(u.total, t.total)
              FROM unnest(u_booking, u_status, u_expires, u_checked_in, u_partition, u_offset, u_hold, u_seats, u_total)
                   u (booking_id, status, expires_ms, checked_in, partition, log_offset, hold_ms, seats, total)
             WHERE t.booking_id = u.booking_id;
        END IF;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(u_booking) THEN
            RAISE EXCEPTION 'of % bookings % were there', cardinality(u_booking), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;

    IF cardinality(o_show) > 0 THEN
        INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest,
                                 starts_ms, seats_per_customer, sales_start_ms, sales_end_ms, payment)
        SELECT * FROM unnest(o_show, o_partition, o_status, o_version, o_available, o_layout, o_digest,
                             o_starts, o_limit, o_sales_start, o_sales_end, o_payment);
    END IF;
    IF cardinality(t_show) > 0 THEN
        UPDATE show_states t
           SET status = s.status, starts_ms = s.starts_ms, seats_per_customer = s.seats_per_customer,
               sales_start_ms = s.sales_start_ms, sales_end_ms = s.sales_end_ms
          FROM unnest(t_show, t_status, t_starts, t_limit, t_sales_start, t_sales_end)
               s (show_id, status, starts_ms, seats_per_customer, sales_start_ms, sales_end_ms)
         WHERE t.show_id = s.show_id;
    END IF;
    IF cardinality(s_show) > 0 THEN
        UPDATE show_states t SET version = s.version, available = s.available
          FROM unnest(s_show, s_version, s_available) s (show_id, version, available)
         WHERE t.show_id = s.show_id;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(s_show) THEN
            RAISE EXCEPTION 'of % shows % were there', cardinality(s_show), changed USING ERRCODE = 'AI003';
        END IF;
    END IF;
END $$;
-- Events, with each swap once more from the side of its other booking.
CREATE FUNCTION report_swaps_v1(events jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_agg(one ORDER BY place, side)
      FROM jsonb_array_elements(events) WITH ORDINALITY event (event, place)
     CROSS JOIN LATERAL (
           VALUES (1, event),
                  (2, CASE WHEN event ->> 'type' = 'SeatsSwapped'
                           THEN jsonb_build_object('type', 'SeatsSwapped', 'booking', event -> 'other',
                                                   'other', event -> 'booking') END)) t (side, one)
     WHERE one IS NOT NULL
$$;

-- As report_moves_v1, and a confirmed booking with other seats moves seats and gross by the difference; of a swap, both
-- bookings do. Kinds: 1 confirmed, 2 cancelled, 3 changed, 4 swapped.
CREATE FUNCTION report_moves_v2(at_ms bigint, command bytea, answer bytea) RETURNS TABLE (
    show_id integer, day date, user_id bigint, currency text, bookings integer, seats integer, gross bigint,
    cancelled_bookings integer, cancelled_seats integer, cancelled bigint,
    cancelled_by_staff integer, cancelled_by_show integer
) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT b.show_id,
           (to_timestamp(at_ms / 1000.0) AT TIME ZONE coalesce(s.timezone, 'UTC'))::date,
           b.user_id, b.currency,
           (e.kind = 1)::int, CASE e.kind WHEN 2 THEN 0 ELSE b.seats END, CASE e.kind WHEN 2 THEN 0 ELSE b.total END,
           (e.kind = 2)::int, CASE e.kind WHEN 2 THEN b.seats ELSE 0 END, CASE e.kind WHEN 2 THEN b.total ELSE 0 END,
           CASE e.kind WHEN 2 THEN (c.type <> 'CancelShow' AND c.user_id <> b.user_id)::int ELSE 0 END,
           CASE e.kind WHEN 2 THEN (c.type = 'CancelShow')::int ELSE 0 END
      FROM jsonb_array_elements(
               CASE WHEN position('"SeatsSwapped"'::bytea IN answer) > 0
                    THEN report_swaps_v1(replace(convert_from(answer, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'events')
                    WHEN position('"BookingC'::bytea IN answer) > 0
                    THEN replace(convert_from(answer, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'events' END) event
     CROSS JOIN LATERAL (SELECT CASE event ->> 'type' WHEN 'BookingConfirmed' THEN 1 WHEN 'BookingCancelled' THEN 2
                                                      WHEN 'BookingChanged' THEN 3 WHEN 'SeatsSwapped' THEN 4
                                                      ELSE 0 END AS kind) e
     CROSS JOIN LATERAL (SELECT CASE WHEN e.kind > 0 THEN event -> 'booking' END AS booking) known
     CROSS JOIN LATERAL (SELECT CASE e.kind WHEN 3 THEN (event ->> 'old_total')::bigint
                                            WHEN 4 THEN (event -> 'other' ->> 'total')::bigint ELSE 0 END AS total,
                                CASE e.kind WHEN 3 THEN jsonb_array_length(event -> 'old_seats')
                                            WHEN 4 THEN jsonb_array_length(event -> 'other' -> 'seats')
                                            ELSE 0 END AS seats) old
     CROSS JOIN LATERAL (SELECT (booking ->> 'show_id')::int AS show_id,
                                (booking ->> 'user_id')::bigint AS user_id,
                                (booking ->> 'total')::bigint - old.total AS total,
                                booking ->> 'currency' AS currency,
                                jsonb_array_length(booking -> 'seats') - old.seats AS seats) b
     CROSS JOIN LATERAL (SELECT asked ->> 'type' AS type, coalesce((asked ->> 'user_id')::bigint, 0) AS user_id
                           FROM (SELECT CASE WHEN e.kind = 2
                                             THEN replace(convert_from(command, 'UTF8'), '\u0000', '\ufffd')::jsonb END
                                ) one (asked)) c
      LEFT JOIN shows s ON s.show_id = b.show_id
     WHERE CASE e.kind WHEN 0 THEN false WHEN 1 THEN true WHEN 2 THEN true
                       ELSE booking ->> 'status' = 'confirmed' AND (b.seats <> 0 OR b.total <> 0) END
$$;

CREATE OR REPLACE VIEW report_tail AS
SELECT m.*
  FROM partitions p
  LEFT JOIN report_progress r USING (partition)
 CROSS JOIN LATERAL (SELECT d.at_ms, d.command, d.answer FROM decisions d
                      WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                      ORDER BY d.log_offset LIMIT 1000000) d
 CROSS JOIN LATERAL report_moves_v2(d.at_ms, d.command, d.answer) m;
