-- The first start of this database: one row, written together with the accounts that it made.
CREATE TABLE first_start (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sample_data boolean NOT NULL,                        -- AISLE_SAMPLE_DATA of that start; later values change nothing
    movies_made boolean NOT NULL DEFAULT false           -- the sample movies were added: those removed are not added again
);

-- A database from before this table has had its first start if it has anything.
INSERT INTO first_start (sample_data, movies_made)
SELECT true, true WHERE EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM movies);
