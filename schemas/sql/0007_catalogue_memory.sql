-- What answering the catalogue from memory, searching it and changing shows needs.

-- Text as a search compares it: no case, no accents. Scripts that need their marks keep them.
CREATE FUNCTION fold_text(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN
    translate(
        replace(replace(replace(replace(
            lower(regexp_replace(normalize(given, NFKD), '[\u0300-\u036f]', '', 'g') COLLATE pg_c_utf8),
            'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
        'øłđıŧħðς', 'oldithdσ');

ALTER TABLE movies ADD COLUMN folded text NOT NULL
    GENERATED ALWAYS AS (fold_text(title || E'\n' || description)) STORED;

-- How often movies and shows have changed: gateways ask twice a second whether what they remember still holds.
-- A row and not a sequence, so that the number becomes visible together with the change.
CREATE TABLE catalogue_changes (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    changes  bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO catalogue_changes DEFAULT VALUES;

CREATE FUNCTION count_catalogue_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_changes SET changes = changes + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER movies_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON movies
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalogue_change();
-- Only the columns that are shown: creating a show touches others before it takes its place in the queue.
CREATE TRIGGER shows_changed
    AFTER INSERT OR DELETE OR TRUNCATE
       OR UPDATE OF movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, sales_start_at,
                    sales_end_at, partition ON shows
    FOR EACH STATEMENT EXECUTE FUNCTION count_catalogue_change();

-- What staff asked of a show beyond what its command carries. Written before the command is sent; once that is
-- accepted, a gateway puts it into the catalogue, whichever comes by.
CREATE TABLE show_requests (
    command_id  uuid        PRIMARY KEY,
    kind        text        NOT NULL,                    -- the command's type
    show_id     integer     NOT NULL,
    user_id     bigint      NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    screen_name text,                                    -- null: stays
    timezone    text,
    note        text        NOT NULL DEFAULT '',         -- why seats are blocked; never in the log
    accepted    boolean,                                 -- null: not decided, or not looked at since
    log_offset  bigint                                   -- of the decision
);
CREATE INDEX show_requests_open ON show_requests (asked_at) WHERE accepted IS NULL;
CREATE INDEX show_requests_show ON show_requests (show_id, log_offset);
