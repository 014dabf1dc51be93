-- The file itself.

-- name: tables
-- None: it is new. Some, without our application_id: it belongs to another program.
SELECT count(*) FROM sqlite_schema;
