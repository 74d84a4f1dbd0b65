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

-- While statistics know of no e-mail that waits, all partial indexes over those that wait cost the planner the same, and
-- it searched for the earlier e-mails of a booking among all that wait. Attempts and accounts are never below zero;
-- saying so in its condition keeps an index from statements that do not.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (due_at, delivery_id) WHERE status = 'due' AND attempts >= 0;

-- E-mails to be sent, by age: the oldest is found at the first entry, and a count of a few thousand, or an estimate of
-- more, costs no scan of the table.
CREATE INDEX deliveries_waiting ON deliveries (created_at) WHERE status = 'due' AND user_id >= 0;

-- Holds that were refused because a customer had made too many in a show. Written by the gateways, a few at a time.
CREATE TABLE hold_refusals (
    show_id    integer     NOT NULL,
    user_id    bigint      NOT NULL,
    refused    bigint      NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),         -- the last time
    PRIMARY KEY (show_id, user_id)
) WITH (fillfactor = 80);

-- Holds by show and customer, and what became of them: gathered from decisions, like the other figures of reports.
-- Those decided before this table was there are not in it.
CREATE TABLE report_holds (
    show_id   integer NOT NULL,
    user_id   bigint  NOT NULL,
    holds     integer NOT NULL,
    confirmed integer NOT NULL,
    released  integer NOT NULL,
    expired   integer NOT NULL,
    PRIMARY KEY (show_id, user_id)
) WITH (fillfactor = 80);

-- What one decision adds to them. One that is about no hold is not decoded.
CREATE FUNCTION report_hold_moves_v1(command bytea, answer bytea) RETURNS TABLE (
    show_id integer, user_id bigint, holds integer, confirmed integer, released integer, expired integer
) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1 AS $$
    SELECT (event -> 'booking' ->> 'show_id')::int, coalesce((event -> 'booking' ->> 'user_id')::bigint, 0),
           (t.type = 'BookingHeld')::int, (t.type = 'BookingConfirmed')::int,
           (t.type = 'HoldReleased')::int, (t.type = 'HoldExpired')::int
      FROM jsonb_array_elements(
               CASE WHEN position('"BookingHeld"'::bytea IN answer) > 0
                      OR position('"HoldReleased"'::bytea IN answer) > 0
                      OR position('"HoldExpired"'::bytea IN answer) > 0
                      OR position('"ConfirmBooking"'::bytea IN command) > 0
                    THEN replace(convert_from(answer, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'events' END) event
     CROSS JOIN LATERAL (SELECT event ->> 'type' AS type) t
     WHERE t.type IN ('BookingHeld', 'HoldReleased', 'HoldExpired')
        OR t.type = 'BookingConfirmed' AND position('"ConfirmBooking"'::bytea IN command) > 0
$$;
