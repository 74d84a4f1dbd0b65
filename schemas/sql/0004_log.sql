-- The identity of the log that this database belongs to, and the log itself where it is kept in PostgreSQL.

CREATE TABLE log_identity (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    kind     text NOT NULL,                              -- postgres, kafka, memory
    cluster  text NOT NULL,
    topic    text NOT NULL                               -- what names this very topic, not one made anew
);

CREATE TABLE log_heads (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL DEFAULT 0,
    last_ms     bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10);

CREATE TABLE log (
    topic      text    NOT NULL,
    partition  integer NOT NULL,
    log_offset bigint  NOT NULL,
    at_ms      bigint  NOT NULL,
    body       bytea   NOT NULL,
    PRIMARY KEY (topic, partition, log_offset)
);

-- Appends records, given in the order they are to stand in, and returns the offset of each. The heads are
-- locked in partition order and the clock is read after that: offsets are dense and become visible in order,
-- and time does not run backwards within a partition.
CREATE FUNCTION append_to_log(p_topic text, p_partition int[], p_body bytea[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    locked  integer;
    wanted  integer;
    now_ms  bigint;
    offsets bigint[];
BEGIN
    SELECT count(DISTINCT p) INTO wanted FROM unnest(p_partition) p;
    PERFORM 1 FROM log_heads WHERE topic = p_topic AND partition = ANY (p_partition) ORDER BY partition FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked <> wanted THEN
        RAISE EXCEPTION 'topic % has not all of the partitions %', p_topic, p_partition USING ERRCODE = 'AI004';
    END IF;
    now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
    WITH given AS (
        SELECT g.partition, g.body, g.n, row_number() OVER (PARTITION BY g.partition ORDER BY g.n) - 1 AS k
          FROM unnest(p_partition, p_body) WITH ORDINALITY g (partition, body, n)
    ), placed AS (
        SELECT given.n, given.partition, h.next_offset + given.k AS log_offset, greatest(h.last_ms, now_ms) AS at_ms, given.body
          FROM given JOIN log_heads h ON h.topic = p_topic AND h.partition = given.partition
    ), written AS (
        INSERT INTO log (topic, partition, log_offset, at_ms, body)
        SELECT p_topic, partition, log_offset, at_ms, body FROM placed
    )
    SELECT array_agg(log_offset ORDER BY n) INTO offsets FROM placed;
    UPDATE log_heads h
       SET next_offset = h.next_offset + g.count, last_ms = greatest(h.last_ms, now_ms)
      FROM (SELECT p AS partition, count(*) FROM unnest(p_partition) p GROUP BY p) g
     WHERE h.topic = p_topic AND h.partition = g.partition;
    RETURN offsets;
END $$;
