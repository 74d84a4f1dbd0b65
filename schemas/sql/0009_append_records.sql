-- A name of its own: 0008 gave append_to_log parameters of the same types and another meaning, so that a gateway of the
-- release before it would have been understood, wrongly. Under this name it is refused instead.
ALTER FUNCTION append_to_log RENAME TO append_records;
