-- Reminders; e-mails of one address that are held back and merged; and the e-mails of one booking by its id.

SET LOCAL lock_timeout = '500ms';

-- Held back: its address got its share of the hour. Merged: it is part of the e-mail of another delivery, and due at
-- infinity, so that nobody takes it by itself.
ALTER TABLE deliveries ADD COLUMN held boolean NOT NULL DEFAULT false;
ALTER TABLE deliveries ADD COLUMN has_turn boolean NOT NULL DEFAULT false;
ALTER TABLE deliveries ADD COLUMN merged_into bigint;
CREATE INDEX deliveries_held ON deliveries (user_id, delivery_id) WHERE status = 'due' AND held;
CREATE INDEX deliveries_merged ON deliveries (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX deliveries_skipped ON deliveries (booking_id) WHERE status = 'skipped';
CREATE INDEX deliveries_failed ON deliveries (delivery_id) WHERE status = 'failed';

-- When each address got its e-mails of the last hour. No address: a hash of it.
CREATE TABLE email_turns (
    mailbox    bytea         PRIMARY KEY,                -- SHA-256
    sent_at    timestamptz[] NOT NULL,
    changed_at timestamptz   NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX email_turns_changed ON email_turns (changed_at);

-- The mailbox that an address is delivered to: ada+tickets@… is ada@…, and Gmail ignores dots.
CREATE FUNCTION email_mailbox_v1(address text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(CASE
    WHEN lower(split_part(address, '@', 2)) IN ('gmail.com', 'googlemail.com')
    THEN replace(split_part(split_part(lower(address), '@', 1), '+', 1), '.', '') || '@gmail.com'
    ELSE split_part(split_part(lower(address), '@', 1), '+', 1) || '@' || lower(split_part(address, '@', 2)) END, 'UTF8'));

-- Gives each of the deliveries that a notifier has leased a turn of its address, once. Those that get none are held back
-- until there is one, and returned. Mailboxes are locked in one order, so that notifiers cannot deadlock.
CREATE FUNCTION take_email_turns_v1(p_holder text, p_deliveries bigint[], p_per_hour int) RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
DECLARE
    one   record;
    turns timestamptz[];
BEGIN
    FOR one IN
        SELECT d.delivery_id, email_mailbox_v1(u.email) AS mailbox
          FROM deliveries d JOIN users u USING (user_id)
         WHERE d.delivery_id = ANY (p_deliveries) AND d.taken_by = p_holder AND d.status = 'due' AND NOT d.has_turn
           AND u.email IS NOT NULL
         ORDER BY 2, 1
    LOOP
        INSERT INTO email_turns AS t (mailbox, sent_at) VALUES (one.mailbox, '{}')
            ON CONFLICT (mailbox) DO UPDATE SET changed_at = now()
            RETURNING ARRAY(SELECT s FROM unnest(t.sent_at) s WHERE s > now() - interval '1 hour' ORDER BY s) INTO turns;
        IF cardinality(turns) < p_per_hour THEN
            UPDATE email_turns SET sent_at = turns || now() WHERE mailbox = one.mailbox;
            UPDATE deliveries SET has_turn = true WHERE delivery_id = one.delivery_id;
        ELSE
            UPDATE deliveries
               SET due_at = turns[cardinality(turns) - p_per_hour + 1] + interval '1 hour', held = true, taken_by = NULL,
                   attempts = attempts - 1
             WHERE delivery_id = one.delivery_id;
            RETURN NEXT one.delivery_id;
        END IF;
    END LOOP;
END $$;

-- Reminders that are still to come. Made from events; a row goes when its delivery is made.
CREATE TABLE reminders (
    booking_id uuid        NOT NULL,
    lead_s     integer     NOT NULL,                     -- seconds before the start
    show_id    integer     NOT NULL,
    user_id    bigint      NOT NULL,
    starts_ms  bigint      NOT NULL,
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (booking_id, lead_s)
);
CREATE INDEX reminders_due ON reminders (due_at);
CREATE INDEX reminders_show ON reminders (show_id);

-- The setting that the rows are made for: with another one, the coming shows have theirs made anew.
CREATE TABLE reminder_leads (
    only_one boolean   PRIMARY KEY DEFAULT true CHECK (only_one),
    leads_s  integer[] NOT NULL
);
