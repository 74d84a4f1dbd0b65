-- The log is partitioned by time, so that `aisle prune` drops what is old at once. The table of before becomes the part
-- that takes every time for which there is no other: nothing is copied or read, and statements of the release before go
-- on with the new table under the same name.
--
-- The primary keys stay with the parts: one over all would have to contain the time.

SET LOCAL lock_timeout = '500ms';                        -- appends wait no longer; `aisle migrate` tries again

ALTER TABLE log RENAME TO log_rest;
CREATE TABLE log (LIKE log_rest INCLUDING COMPRESSION INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE (at_ms);
ALTER TABLE log ATTACH PARTITION log_rest DEFAULT;
