-- Deletion, step by step. Every statement names the state it leaves, so repeating one changes nothing. Places as in
-- footage.sql: $1 ids, $2 starts, $3 the least and $4 the greatest of these.

-- name: unmarked_candidates
-- By start, bounded by the end: no segment is longer than 600 s.
SELECT * FROM segments
WHERE stream = $1
    AND start_us <= $2 AND end_us <= $2 AND start_us > $3::bigint - 600000000 AND end_us > $3
    AND state IN ('spooled', 'uploading', 'stored', 'missing')
ORDER BY start_us LIMIT $4;

-- name: marked_candidates
SELECT * FROM segments
WHERE stream = $1
    AND start_us <= $2 AND end_us <= $2 AND start_us > $3::bigint - 600000000 AND end_us > $3
    AND state = 'marked'
ORDER BY start_us LIMIT $4;

-- name: unmarked
SELECT count(*) AS segments, coalesce(sum(size_bytes), 0)::bigint AS size_bytes FROM segments
WHERE stream = $1
    AND start_us <= $2 AND end_us <= $2 AND start_us > $3::bigint - 600000000 AND end_us > $3
    AND state IN ('spooled', 'uploading', 'stored', 'missing');

-- name: mark
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state IN ('spooled', 'uploading', 'stored', 'missing')
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments
SET state = 'marked', was_missing = (segments.state = 'missing'), marked_us = $5, mark_policy = $6, mark_reason = $7
FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state IN ('spooled', 'uploading', 'stored', 'missing')
RETURNING segments.id;

-- name: unmark
-- A hash is noted only when the object was verified. Without one the spool copy is shipped again. What was missing is.
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state = 'marked'
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments
SET state = CASE WHEN was_missing THEN 'missing' WHEN sha256 IS NULL THEN 'spooled' ELSE 'stored' END,
    was_missing = FALSE, marked_us = NULL, mark_policy = NULL, mark_reason = NULL
FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state = 'marked'
RETURNING segments.id;

-- name: purge
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state = 'marked'
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments SET state = 'purging' FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state = 'marked';

-- name: purging_at
SELECT segments.* FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state = 'purging';

-- name: purging
SELECT * FROM segments WHERE state = 'purging' ORDER BY marked_us LIMIT $1;

-- name: tombstone
-- Row and sample table go, the tombstone stays, and so does the id in segment_ids: nobody registers it again.
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state = 'purging'
    ORDER BY segments.id FOR UPDATE OF segments
), removed AS (
    DELETE FROM segments USING chosen
    WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
        AND segments.state = 'purging'
    RETURNING segments.*
), emptied AS (
    DELETE FROM segment_samples USING removed
    WHERE segment_samples.segment = removed.id AND segment_samples.start_us = removed.start_us
        AND segment_samples.start_us BETWEEN $3 AND $4
)
INSERT INTO tombstones (
    id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, deleted_us, policy, reason
)
SELECT
    id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, $5, mark_policy, mark_reason
FROM removed
RETURNING start_us;

-- name: tombstones
SELECT * FROM tombstones
WHERE stream = $1 AND start_us > $2::bigint - 600000000 AND start_us < $3 AND end_us > $2
ORDER BY start_us, epoch, run, sequence;
