-- Partitions that operators keep for a coming show: `aisle partitions reserve`. Without a name they get no new shows.

CREATE TABLE reserved_partitions (
    partition   integer     PRIMARY KEY,
    reserved_at timestamptz NOT NULL DEFAULT now()
);
