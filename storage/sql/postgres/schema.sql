-- The database itself: whose it is, and what it has been through.

-- name: facts
-- What a session may rely on, asked of each new one.
SELECT
    current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('server_encoding') AS encoding, current_setting('server_version_num')::integer AS version;

-- name: is_ours
-- Of the table's row, and not by its name: a session that looked before another made it would remember that there is none.
SELECT EXISTS (
    SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE nspname = 'hulta' AND relname = 'catalog'
);

-- name: version
SELECT schema_version FROM hulta.catalog;

-- name: foreign
-- Tables, views and sequences of others; not those of the server, nor of its extensions.
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_class.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\_%'
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE pg_depend.objid = pg_class.oid AND deptype = 'e');

-- name: alone
-- One migrates, the others wait for it.
SELECT pg_advisory_xact_lock(1213484116, 1);

-- name: wait_for_others
SET LOCAL lock_timeout = '30s';

-- name: wait_briefly
-- Whoever needs the table that a migration waits for, waits behind it.
SET LOCAL lock_timeout = '2s';

-- name: take_your_time
SET LOCAL statement_timeout = 0;

-- name: begin
CREATE SCHEMA hulta;

-- name: sign
CREATE TABLE hulta.catalog (
    single          boolean  PRIMARY KEY DEFAULT true CHECK (single),
    id              uuid     NOT NULL DEFAULT gen_random_uuid(),
    schema_version  integer  NOT NULL,
    taken_from      text                                            -- what `hulta catalog migrate` moves here; NULL: nothing
);

-- name: enter
INSERT INTO hulta.catalog (schema_version) VALUES (0);

-- name: move_version
UPDATE hulta.catalog SET schema_version = $1;

-- name: days_alone
SELECT pg_advisory_xact_lock(1213484116, 2);

-- name: make_days
SELECT make_days($1::bigint[]);

-- name: hurry
-- Everybody stands behind whoever waits for a whole table.
SET LOCAL lock_timeout = '200ms';

-- name: drop_empty_days
SELECT drop_empty_days($1::bigint);
