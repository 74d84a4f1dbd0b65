-- A commit that costs PostgreSQL less for each booking.
--
-- What is gone from it: a lock of every partition's row in front of its update; a check of every command id in front
-- of its insert, as ON CONFLICT makes; the terms of shows of which only seats have changed; two indexes on bookings,
-- whose columns change with a booking's status, so that a hold's confirmation had to touch all indexes.

-- A show's live bookings are found by its claims. Held ones have an index for when a partition is taken.
DROP INDEX bookings_live;
DROP INDEX bookings_held;
CREATE INDEX claims_held ON claims (show_id) WHERE state = 'h';

-- A worker that calls the function of before stops, and goes on when it is started anew in this version.
DROP FUNCTION commit_batch;

-- Commits one batch, or nothing: it raises on any count that is not as expected.
--   AI001  a partition is not ours any more, or its next offset is another one
--   23505  a command id has been used before: of command_ids_pkey; of any other constraint as AI003
--   AI003  the rows do not fit what the worker had in memory
CREATE FUNCTION commit_batch(
    p_partition int[], p_epoch bigint[], p_expected bigint[], p_next bigint[], p_published bigint[], p_last_ms bigint[],
    d_partition int[], d_offset bigint[], d_at_ms bigint[], d_command bytea[], d_answer bytea[], d_command_id uuid[],
    d_rules smallint,
    f_show int[], f_seat int[],
    c_show int[], c_seat int[], c_state text[], c_booking uuid[],
    n_booking uuid[], n_show int[], n_user bigint[], n_status text[], n_seats text[], n_total bigint[], n_currency text[],
    n_created bigint[], n_expires bigint[], n_partition int[], n_offset bigint[],
    u_booking uuid[], u_status text[], u_expires bigint[], u_checked_in text[], u_partition int[], u_offset bigint[],
    o_show int[], o_partition int[], o_status text[], o_version bigint[], o_available int[], o_layout int[], o_digest text[],
    o_starts bigint[], o_limit int[], o_sales_start bigint[], o_sales_end bigint[],
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
        INSERT INTO claims (show_id, seat, state, booking_id)
        SELECT show_id, seat, state::"char", booking_id
          FROM unnest(c_show, c_seat, c_state, c_booking) c (show_id, seat, state, booking_id);
    END IF;

    IF cardinality(n_booking) > 0 THEN
        INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency,
                              created_ms, expires_ms, partition, log_offset)
        SELECT booking_id, show_id, user_id, status, string_to_array(seats, E'\x1f'), total, currency,
               created_ms, expires_ms, partition, log_offset
          FROM unnest(n_booking, n_show, n_user, n_status, n_seats, n_total, n_currency,
                      n_created, n_expires, n_partition, n_offset)
               n (booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition,
                  log_offset);
    END IF;
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

-- Appends records: h_count[i] records go to partition h_partition[i], given in ascending order; r_head says which i a
-- record belongs to, r_index that it is the n-th of them, from 0 on. Returns the offset of each partition's first.
-- A head stays locked until the end of the transaction, and heads are locked in the order given: offsets are dense and
-- become visible in order, and two that append at once cannot wait for each other. Time does not run backwards.
DROP FUNCTION append_to_log;
CREATE FUNCTION append_to_log(
    p_topic text, p_notify boolean, h_partition int[], h_count int[], r_head int[], r_index int[], r_body bytea[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    bases  bigint[];
    times  bigint[];
BEGIN
    WITH heads AS (
        UPDATE log_heads t
           SET next_offset = t.next_offset + h.count, last_ms = greatest(t.last_ms, now_ms)
          FROM unnest(h_partition, h_count) WITH ORDINALITY h (partition, count, place)
         WHERE t.topic = p_topic AND t.partition = h.partition
        RETURNING h.place, t.next_offset - h.count AS base, t.last_ms
    )
    SELECT array_agg(base ORDER BY place), array_agg(last_ms ORDER BY place) INTO bases, times FROM heads;
    IF cardinality(bases) IS DISTINCT FROM cardinality(h_partition) THEN
        RAISE EXCEPTION 'topic % has not all of the partitions %', p_topic, h_partition USING ERRCODE = 'AI004';
    END IF;
    INSERT INTO log (topic, partition, log_offset, at_ms, body)
    SELECT p_topic, h_partition[r.head], bases[r.head] + r.index, times[r.head], r.body
      FROM unnest(r_head, r_index, r_body) r (head, index, body);
    IF p_notify THEN
        PERFORM pg_notify(p_topic, '');
    END IF;
    RETURN bases;
END $$;
