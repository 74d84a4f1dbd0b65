-- Functions get a version in their name, and a release calls only its own: commit_batch_v1, not commit_batch.
--
-- A function whose name has a version is never replaced. One that has to do something else is made beside it as _v2 by
-- the migration of a release, so that processes of both releases work on one database; a later migration drops what no
-- running release calls any more. The names without a version stay until then, for processes of the release before.

ALTER FUNCTION commit_batch RENAME TO commit_batch_v1;
ALTER FUNCTION append_records RENAME TO append_records_v1;
ALTER FUNCTION fold_text RENAME TO fold_text_v1;                            -- the column movies.folded goes along
ALTER FUNCTION count_catalogue_change RENAME TO count_catalogue_change_v1;  -- and so do the triggers

-- For seat workers, gateways and notifiers of the release before.
CREATE FUNCTION commit_batch(
    int[], bigint[], bigint[], bigint[], bigint[], bigint[],
    int[], bigint[], bigint[], bytea[], bytea[], uuid[], smallint,
    int[], int[], int[], int[], text[], uuid[],
    uuid[], int[], bigint[], text[], text[], bigint[], text[], bigint[], bigint[], int[], bigint[],
    uuid[], text[], bigint[], text[], int[], bigint[],
    int[], int[], text[], bigint[], int[], int[], text[], bigint[], int[], bigint[], bigint[],
    int[], bigint[], int[],
    int[], text[], bigint[], int[], bigint[], bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM commit_batch_v1(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46,
        $47, $48, $49, $50, $51, $52, $53, $54, $55, $56);
END $$;

CREATE FUNCTION append_records(text, boolean, int[], int[], int[], int[], bytea[]) RETURNS bigint[] LANGUAGE plpgsql
AS $$ BEGIN RETURN append_records_v1($1, $2, $3, $4, $5, $6, $7); END $$;

CREATE FUNCTION fold_text(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN fold_text_v1($1);

-- As report_moves, which stays for gateways of the release before, except that it reads whatever may be stored. A NUL,
-- which JSON can write and jsonb cannot hold, is read as the replacement character: a customer can ask for a seat of
-- such a name, and figures must not stop there. An event of a later release is passed over, whatever it holds.
CREATE FUNCTION report_moves_v1(at_ms bigint, command bytea, answer bytea) RETURNS TABLE (
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
                                     THEN replace(convert_from(answer, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'events'
                                END) event
     CROSS JOIN LATERAL (SELECT (event ->> 'type' = 'BookingConfirmed')::int AS confirmed,
                                (event ->> 'type' = 'BookingCancelled')::int AS cancelled) e
     CROSS JOIN LATERAL (SELECT CASE WHEN e.confirmed + e.cancelled = 1 THEN event -> 'booking' END AS booking) known
     CROSS JOIN LATERAL (SELECT (booking ->> 'show_id')::int AS show_id,
                                (booking ->> 'user_id')::bigint AS user_id,
                                (booking ->> 'total')::bigint AS total,
                                booking ->> 'currency' AS currency,
                                jsonb_array_length(booking -> 'seats') AS seats) b
     CROSS JOIN LATERAL (SELECT asked ->> 'type' AS type, coalesce((asked ->> 'user_id')::bigint, 0) AS user_id
                           FROM (SELECT CASE WHEN e.cancelled = 1
                                             THEN replace(convert_from(command, 'UTF8'), '\u0000', '\ufffd')::jsonb END
                                ) one (asked)) c
      LEFT JOIN shows s ON s.show_id = b.show_id
     WHERE e.confirmed + e.cancelled = 1
$$;

CREATE OR REPLACE VIEW report_tail AS
SELECT m.*
  FROM partitions p
  LEFT JOIN report_progress r USING (partition)
 CROSS JOIN LATERAL (SELECT d.at_ms, d.command, d.answer FROM decisions d
                      WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                      ORDER BY d.log_offset LIMIT 1000000) d
 CROSS JOIN LATERAL report_moves_v1(d.at_ms, d.command, d.answer) m;
