-- The identity of the log that this database belongs to, and the log itself where it is kept in PostgreSQL.

CREATE TABLE log_identity (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    kind     text NOT NULL,                              -- postgres, kafka, memory
    cluster  text NOT NULL,
    topic    text NOT NULL                               -- what names these very topics, not ones made anew
);

-- Made with the log: what tells it from every other log. Ids that travel with a dump, unlike the server's own.
CREATE TABLE log_topics (
    topic    text COLLATE "C" PRIMARY KEY,
    topic_id uuid NOT NULL DEFAULT gen_random_uuid()
);

CREATE TABLE log_heads (
    topic       text COLLATE "C" NOT NULL,
    partition   integer          NOT NULL,
    next_offset bigint           NOT NULL DEFAULT 0,
    last_ms     bigint           NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10);

CREATE TABLE log (
    topic      text COLLATE "C" NOT NULL,
    partition  integer          NOT NULL,
    log_offset bigint           NOT NULL,
    at_ms      bigint           NOT NULL,
    body       bytea            NOT NULL,
    PRIMARY KEY (topic, partition, log_offset)
);

-- Appends records: the n-th of h_count[i] records that go to partition h_partition[i] has r_index = n and
-- r_partition = h_partition[i]. Returns the offset of each partition's first, in the order of h_partition.
-- The heads are locked in partition order and the clock is read after that: offsets are dense and become
-- visible in order, and time does not run backwards within a partition.
CREATE FUNCTION append_to_log(
    p_topic text, p_notify boolean, h_partition int[], h_count int[], r_partition int[], r_index int[], r_body bytea[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    locked bigint;
    now_ms bigint;
    bases  bigint[];
BEGIN
    PERFORM 1 FROM log_heads WHERE topic = p_topic AND partition = ANY (h_partition) ORDER BY partition FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked <> cardinality(h_partition) THEN
        RAISE EXCEPTION 'topic % has not all of the partitions %', p_topic, h_partition USING ERRCODE = 'AI004';
    END IF;
    now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
    WITH heads AS (
        UPDATE log_heads t
           SET next_offset = t.next_offset + h.count, last_ms = greatest(t.last_ms, now_ms)
          FROM unnest(h_partition, h_count) h (partition, count)
         WHERE t.topic = p_topic AND t.partition = h.partition
        RETURNING t.partition, t.next_offset - h.count AS base, t.last_ms
    ), written AS (
        INSERT INTO log (topic, partition, log_offset, at_ms, body)
        SELECT p_topic, r.partition, heads.base + r.index, heads.last_ms, r.body
          FROM unnest(r_partition, r_index, r_body) r (partition, index, body) JOIN heads USING (partition)
    )
    SELECT array_agg(base ORDER BY array_position(h_partition, partition)) INTO bases FROM heads;
    IF p_notify THEN
        PERFORM pg_notify(p_topic, '');
    END IF;
    RETURN bases;
END $$;
