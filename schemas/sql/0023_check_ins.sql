-- Scans at the door, written with their decisions: each check-in, and each late scan of a seat that was checked in before.
-- What is valid follows from the bookings; these rows say at which gate, and which scans are in conflict.

CREATE TABLE check_ins (
    partition  integer NOT NULL,
    log_offset bigint  NOT NULL,
    decided_ms bigint  NOT NULL,                         -- log time
    show_id    integer NOT NULL,
    booking_id uuid    NOT NULL,
    seat       text    NOT NULL,
    at_ms      bigint  NOT NULL,                         -- time of the scan; of a late one, by its device
    gate       text,
    used_ms    bigint,                                   -- of a conflict: the time of the check-in before it
    PRIMARY KEY (show_id, seat, partition, log_offset)
);

-- Since when tickets are signed, and the bookings that were held then: their tickets were signed when they were confirmed.
CREATE TABLE ticket_signing (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    since_ms bigint  NOT NULL
);
CREATE TABLE held_at_signing (
    booking_id uuid PRIMARY KEY
);
