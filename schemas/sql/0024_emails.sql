-- E-mails about changed shows, tickets sent again, messages to staff, and the preferences of accounts.

SET LOCAL lock_timeout = '500ms';

ALTER TABLE users ADD COLUMN reminders boolean NOT NULL DEFAULT true;   -- before a show
ALTER TABLE users ADD COLUMN summaries boolean NOT NULL DEFAULT true;   -- to staff: sold out, few seats left, daily

ALTER TABLE letters_wanted DROP CONSTRAINT letters_wanted_kind_check;
ALTER TABLE letters_wanted ADD CONSTRAINT letters_wanted_kind_check
    CHECK (kind IN ('welcome', 'password_reset', 'email_confirmation', 'email_undo', 'tickets_again'));

-- What signs the links that switch e-mails off. It never changes: e-mails are kept for years.
CREATE TABLE unsubscribe_key (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    key bytea   NOT NULL
);
INSERT INTO unsubscribe_key (key)
SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));

-- What a show was before its time or screen changed. The notifier takes a row away when it has made deliveries of it,
-- once the show has been left alone for a moment.
CREATE TABLE show_changes (
    change_id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    show_id    integer     NOT NULL,
    starts_at  timestamptz NOT NULL,
    timezone   text        NOT NULL,
    screen     text        NOT NULL,
    version    bigint      NOT NULL,                     -- of the show, after the change
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION note_show_change_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO show_changes (show_id, starts_at, timezone, screen, version)
    SELECT OLD.show_id, OLD.starts_at, OLD.timezone, OLD.screen_name, s.version
      FROM show_states s WHERE s.show_id = OLD.show_id;
    RETURN NULL;
END $$;
CREATE TRIGGER shows_moved AFTER UPDATE ON shows FOR EACH ROW
    WHEN ((OLD.starts_at, OLD.timezone, OLD.screen_name) IS DISTINCT FROM (NEW.starts_at, NEW.timezone, NEW.screen_name))
    EXECUTE FUNCTION note_show_change_v1();

-- Messages to staff that were made, so that each is made once: kind and show, or kind and day.
CREATE TABLE staff_notices (
    kind     text        NOT NULL,
    about    text        NOT NULL,                       -- number of a show, or a day
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, about)
);
-- Staff know of the shows that are sold out already.
INSERT INTO staff_notices (kind, about)
SELECT kind, show_id::text FROM show_states, unnest(ARRAY['staff_sold_out', 'staff_few_left']) kind
 WHERE available = 0 ON CONFLICT DO NOTHING;
