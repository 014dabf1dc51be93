-- Changes on their way into journal objects.

-- name: backlog
-- The nouns that wait, as far as one object takes them.
SELECT noun FROM outbox ORDER BY number LIMIT :limit;

-- name: marks
SELECT number, noun, id, name, start_us, run, event FROM outbox ORDER BY number LIMIT :limit;

-- name: forget
DELETE FROM outbox WHERE number = :number;

-- name: head
SELECT catalog, sequence, sha256, composed_us FROM journal_head;

-- name: move_head
UPDATE journal_head SET sequence = :sequence, sha256 = :sha256, composed_us = :composed_us;

-- name: composed
SELECT sequence, key, content FROM journal_objects ORDER BY sequence LIMIT 1;

-- name: compose
INSERT INTO journal_objects (sequence, key, content) VALUES (:sequence, :key, :content);

-- name: written
DELETE FROM journal_objects WHERE sequence = :sequence;

-- name: told_site
SELECT * FROM sites WHERE id = :id;

-- name: told_policy
SELECT * FROM policies WHERE name = :name;

-- name: told_camera
SELECT * FROM cameras WHERE id = :id;

-- name: told_stream
SELECT * FROM streams WHERE id = :id;

-- name: told_gap
SELECT * FROM gaps WHERE stream = :id AND start_us = :start_us;

-- name: told_tombstone
SELECT * FROM tombstones WHERE id = :id;

-- name: told_missing
SELECT * FROM segments WHERE id = :id AND state = 'missing';

-- name: told_run
SELECT * FROM runs WHERE run = :run;

-- name: told_run_stream
SELECT * FROM run_streams WHERE run = :run AND stream = :id;

-- name: told_event
SELECT * FROM events WHERE number = :event;
