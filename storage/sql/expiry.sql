-- Deletion, step by step. Every statement names the state it leaves, so repeating one changes nothing.

-- name: unmarked_candidates
-- By start, bounded by the end: no segment is longer than 600 s.
SELECT * FROM segments
WHERE stream = :stream
    AND start_us <= :ended_by_us AND end_us <= :ended_by_us
    AND start_us > :ended_after_us - 600000000 AND end_us > :ended_after_us
    AND state IN ('spooled', 'uploading', 'stored', 'missing')
ORDER BY start_us LIMIT :limit;

-- name: marked_candidates
-- The same by the index of the marked ones: in the clustered order they lie behind 62 days of others.
SELECT * FROM segments INDEXED BY segments_marked
WHERE stream = :stream
    AND start_us <= :ended_by_us AND end_us <= :ended_by_us
    AND start_us > :ended_after_us - 600000000 AND end_us > :ended_after_us
    AND state = 'marked'
ORDER BY start_us LIMIT :limit;

-- name: unmarked
SELECT count(*) AS segments, coalesce(sum(size_bytes), 0) AS size_bytes FROM segments
WHERE stream = :stream
    AND start_us <= :ended_by_us AND end_us <= :ended_by_us
    AND start_us > :ended_after_us - 600000000 AND end_us > :ended_after_us
    AND state IN ('spooled', 'uploading', 'stored', 'missing');

-- name: mark
UPDATE segments
SET state = 'marked', was_missing = (state = 'missing'), marked_us = :now_us, mark_policy = :policy, mark_reason = :reason
WHERE id = :id AND state IN ('spooled', 'uploading', 'stored', 'missing');

-- name: unmark
-- A hash is noted only when the object was verified. Without one the spool copy is shipped again. What was missing is.
UPDATE segments
SET state = CASE WHEN was_missing THEN 'missing' WHEN sha256 IS NULL THEN 'spooled' ELSE 'stored' END,
    was_missing = FALSE, marked_us = NULL, mark_policy = NULL, mark_reason = NULL
WHERE id = :id AND state = 'marked';

-- name: purge
UPDATE segments SET state = 'purging' WHERE id = :id AND state = 'marked';

-- name: purging_row
SELECT * FROM segments WHERE id = :id AND state = 'purging';

-- name: purging
SELECT * FROM segments WHERE state = 'purging' ORDER BY marked_us LIMIT :limit;

-- name: bury
INSERT INTO tombstones (
    id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, deleted_us, policy, reason
)
SELECT
    id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, :now_us, mark_policy, mark_reason
FROM segments WHERE id = :id AND state = 'purging';

-- name: remove
-- Its sample table goes with it (ON DELETE CASCADE).
DELETE FROM segments WHERE id = :id AND state = 'purging';

-- name: tombstones
SELECT * FROM tombstones
WHERE stream = :stream AND start_us > :from_us - 600000000 AND start_us < :to_us AND end_us > :from_us
ORDER BY start_us, epoch, run, sequence;
