-- Figures for reports, gathered from decisions behind the writers' backs. Written by the gateways' upkeep; the
-- writers know nothing of it, and no table of theirs has an index for it. Sums of money in minor units.

-- How far the decisions of each partition are in the figures.
CREATE TABLE report_progress (
    partition   integer PRIMARY KEY,
    next_offset bigint  NOT NULL
) WITH (fillfactor = 10);

-- What was booked and given back on a day, in the show's time zone. What a day says does not change once it is over.
CREATE TABLE report_sales (
    show_id            integer NOT NULL,
    day                date    NOT NULL,
    currency           text    NOT NULL,
    bookings           bigint  NOT NULL,                 -- confirmed on this day
    seats              bigint  NOT NULL,
    gross              bigint  NOT NULL,
    cancelled_bookings bigint  NOT NULL,                 -- given back on this day, whenever they were confirmed
    cancelled_seats    bigint  NOT NULL,
    cancelled          bigint  NOT NULL,
    cancelled_by_staff bigint  NOT NULL,                 -- of cancelled_bookings: not by their owners
    cancelled_by_show  bigint  NOT NULL,                 -- of cancelled_bookings: the show was called off
    PRIMARY KEY (show_id, day, currency)
) WITH (fillfactor = 50);

-- The same by customer.
CREATE TABLE report_customer_days (
    day                date    NOT NULL,
    user_id            bigint  NOT NULL,
    currency           text    NOT NULL,
    bookings           integer NOT NULL,
    seats              integer NOT NULL,
    gross              bigint  NOT NULL,
    cancelled_bookings integer NOT NULL,
    cancelled_seats    integer NOT NULL,
    cancelled          bigint  NOT NULL,
    PRIMARY KEY (day, user_id, currency)
) WITH (fillfactor = 90);

-- Each customer's days in one row.
CREATE TABLE report_customers (
    user_id            bigint  NOT NULL,
    currency           text    NOT NULL,
    first_day          date    NOT NULL,                 -- of the first booking of all
    bookings           integer NOT NULL,
    seats              integer NOT NULL,
    gross              bigint  NOT NULL,
    cancelled_bookings integer NOT NULL,
    cancelled_seats    integer NOT NULL,
    cancelled          bigint  NOT NULL,
    PRIMARY KEY (user_id, currency)
) WITH (fillfactor = 80);

-- What one decision adds to the figures: a row for each booking that it confirmed or cancelled. One that did
-- neither is not decoded. Its command says who cancelled.
CREATE FUNCTION report_moves(at_ms bigint, command bytea, answer bytea) RETURNS TABLE (
    show_id integer, day date, user_id bigint, currency text, bookings integer, seats integer, gross bigint,
    cancelled_bookings integer, cancelled_seats integer, cancelled bigint,
    cancelled_by_staff integer, cancelled_by_show integer
) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT b.show_id,
           (to_timestamp(at_ms / 1000.0) AT TIME ZONE coalesce(s.timezone, 'UTC'))::date,
           b.user_id, b.currency,
           e.confirmed, e.confirmed * b.seats, e.confirmed * b.total,
           e.cancelled, e.cancelled * b.seats, e.cancelled * b.total,
           CASE WHEN e.cancelled = 1 THEN (c.type <> 'CancelShow' AND c.user_id <> b.user_id)::int ELSE 0 END,
           CASE WHEN e.cancelled = 1 THEN (c.type = 'CancelShow')::int ELSE 0 END
      FROM jsonb_array_elements(CASE WHEN position('"BookingC'::bytea IN answer) > 0
                                     THEN convert_from(answer, 'UTF8')::jsonb -> 'events' END) event
     CROSS JOIN LATERAL (SELECT (event ->> 'type' = 'BookingConfirmed')::int AS confirmed,
                                (event ->> 'type' = 'BookingCancelled')::int AS cancelled) e
     CROSS JOIN LATERAL (SELECT (event -> 'booking' ->> 'show_id')::int AS show_id,
                                (event -> 'booking' ->> 'user_id')::bigint AS user_id,
                                (event -> 'booking' ->> 'total')::bigint AS total,
                                event -> 'booking' ->> 'currency' AS currency,
                                jsonb_array_length(event -> 'booking' -> 'seats') AS seats) b
     CROSS JOIN LATERAL (SELECT asked ->> 'type' AS type, coalesce((asked ->> 'user_id')::bigint, 0) AS user_id
                           FROM (SELECT CASE WHEN e.cancelled = 1 THEN convert_from(command, 'UTF8')::jsonb END
                                ) one (asked)) c
      LEFT JOIN shows s ON s.show_id = b.show_id
     WHERE e.confirmed + e.cancelled = 1
$$;

-- What has been decided since the figures were last gathered. The LIMIT holds the planner to the index: it cannot
-- know that these are few.
CREATE VIEW report_tail AS
SELECT m.*
  FROM partitions p
  LEFT JOIN report_progress r USING (partition)
 CROSS JOIN LATERAL (SELECT d.at_ms, d.command, d.answer FROM decisions d
                      WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                      ORDER BY d.log_offset LIMIT 1000000) d
 CROSS JOIN LATERAL report_moves(d.at_ms, d.command, d.answer) m;

-- The figures as of this very moment, for what has to agree with a table of the writers.
CREATE VIEW report_sales_now AS
SELECT show_id, day, currency, seats, cancelled_seats FROM report_sales
 UNION ALL
SELECT show_id, day, currency, seats, cancelled_seats FROM report_tail;
