-- Decisions are partitioned by time, as the log is by the migration before.

SET LOCAL lock_timeout = '500ms';                        -- commits wait no longer; `aisle migrate` tries again

ALTER TABLE decisions RENAME TO decisions_rest;
CREATE TABLE decisions (LIKE decisions_rest INCLUDING COMPRESSION INCLUDING DEFAULTS INCLUDING STORAGE)
    PARTITION BY RANGE (at_ms);
ALTER TABLE decisions ATTACH PARTITION decisions_rest DEFAULT;

-- A view keeps to the table that it was made for.
CREATE OR REPLACE VIEW report_tail AS
SELECT m.*
  FROM partitions p
  LEFT JOIN report_progress r USING (partition)
 CROSS JOIN LATERAL (SELECT d.at_ms, d.command, d.answer FROM decisions d
                      WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                      ORDER BY d.log_offset LIMIT 1000000) d
 CROSS JOIN LATERAL report_moves_v2(d.at_ms, d.command, d.answer) m;
