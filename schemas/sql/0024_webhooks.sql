-- Webhooks: addresses of other systems, and the events that are sent to them.

SET LOCAL lock_timeout = '500ms';

-- An address, and which events it gets. The gateway writes it; the sender switches it off and slows it down.
CREATE TABLE webhooks (
    webhook_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url             text        NOT NULL,
    events          text[]      NOT NULL,                -- types, or * alone
    active          boolean     NOT NULL DEFAULT true,
    disabled        text,                                -- why the sender switched it off
    since           timestamptz NOT NULL DEFAULT now(),  -- events before it are not sent; moves when it is switched on
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_success_at timestamptz,
    slowdowns       integer     NOT NULL DEFAULT 0,      -- answers 429 and 503 since the last success
    paused_until    timestamptz
);

-- What signs. They are stored as they are: each request is signed with them. The one without `retires_at` is current,
-- those of before sign as well until then.
CREATE TABLE webhook_secrets (
    secret_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    secret      bytea  NOT NULL,                         -- HMAC-SHA256
    private_key bytea  NOT NULL,                         -- Ed25519, 32 bytes
    retires_at  timestamptz
);
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (webhook_id);

-- One row for each event and webhook, recorded before the first request. No names and no addresses, as in events.
CREATE TABLE webhook_deliveries (
    delivery_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id      bigint      NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id        text        NOT NULL,                -- the header webhook-id
    type            text        NOT NULL,
    show_id         integer     NOT NULL,                -- 0: of no show
    body            bytea       NOT NULL,                -- as it is sent
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    ordered         boolean     NOT NULL DEFAULT true,   -- later ones of its show wait for it; until its first minute is over
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    first_try_at    timestamptz,
    last_try_at     timestamptz,
    taken_by        text,                                -- whose lease it is under
    leased_until    timestamptz,
    response_status integer,                             -- of the last try
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_ordered ON webhook_deliveries (webhook_id, show_id, delivery_id)
    WHERE status = 'pending' AND ordered;
CREATE INDEX webhook_deliveries_tried ON webhook_deliveries (webhook_id, first_try_at)
    WHERE status = 'pending' AND ordered AND first_try_at IS NOT NULL;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, status, delivery_id);
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (coalesce(last_try_at, created_at))
    WHERE status <> 'pending';

-- Shows of which no seat can be had any more, so that each is reported once.
CREATE TABLE sold_out_shows (
    show_id integer PRIMARY KEY
);
INSERT INTO sold_out_shows (show_id)
SELECT show_id FROM show_states s WHERE available = 0
   AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.show_id = s.show_id AND b.status = 'held');

-- Webhooks begin where e-mails are, not at the beginning of the log.
INSERT INTO consumer_offsets (consumer, partition, next_offset)
SELECT 'webhooks', partition, next_offset FROM consumer_offsets WHERE consumer = 'notifier';
