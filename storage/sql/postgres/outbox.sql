-- Changes on their way into journal objects.

-- name: backlog
-- The nouns that wait, as far as one object takes them.
SELECT noun FROM outbox ORDER BY number LIMIT $1;

-- name: marks
SELECT number, noun, id, name, start_us, run, event FROM outbox ORDER BY number LIMIT $1;

-- name: forget
DELETE FROM outbox WHERE number = ANY ($1::bigint[]);

-- name: head
SELECT catalog, sequence, sha256, composed_us FROM journal_head;

-- name: lock_head
-- One composes at a time.
SELECT catalog, sequence, sha256, composed_us FROM journal_head FOR UPDATE;

-- name: move_head
UPDATE journal_head SET sequence = $1, sha256 = $2, composed_us = $3;

-- name: composed
SELECT sequence, key, content FROM journal_objects ORDER BY sequence LIMIT 1;

-- name: compose
INSERT INTO journal_objects (sequence, key, content) VALUES ($1, $2, $3);

-- name: written
DELETE FROM journal_objects WHERE sequence = $1;

-- name: told_site
SELECT * FROM sites WHERE id = $1;

-- name: told_policy
SELECT * FROM policies WHERE name = $1;

-- name: told_camera
SELECT * FROM cameras WHERE id = $1;

-- name: told_stream
SELECT * FROM streams WHERE id = $1;

-- name: told_gap
SELECT * FROM gaps WHERE stream = $1 AND start_us = $2;

-- name: told_tombstone
SELECT * FROM tombstones WHERE id = $1;

-- name: told_missing
SELECT segments.* FROM segment_ids JOIN segments USING (id, start_us)
WHERE segment_ids.id = $1 AND segments.state = 'missing';

-- name: told_run
SELECT * FROM runs WHERE run = $1;

-- name: told_run_stream
SELECT * FROM run_streams WHERE stream = $1 AND run = $2;

-- name: told_event
SELECT * FROM events WHERE number = $1;
