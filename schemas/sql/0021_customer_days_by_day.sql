-- The figures by customer and day are partitioned by day, as log and decisions are by time: the table of before becomes
-- the default part. Its primary key contains the day, so it is that of the whole table too.

SET LOCAL lock_timeout = '500ms';                        -- reports wait no longer; `aisle migrate` tries again

ALTER TABLE report_customer_days RENAME TO report_customer_days_rest;
CREATE TABLE report_customer_days (
    LIKE report_customer_days_rest INCLUDING DEFAULTS INCLUDING STORAGE,
    PRIMARY KEY (day, user_id, currency)
) PARTITION BY RANGE (day);
ALTER TABLE report_customer_days ATTACH PARTITION report_customer_days_rest DEFAULT;
