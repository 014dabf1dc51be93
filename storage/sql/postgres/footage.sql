-- Segments and their sample tables. What asks for segments by id asks segment_ids first for their starts ("places"),
-- and then names the partitions: $1 ids, $2 starts, $3 the least and $4 the greatest of these.

-- name: claim
-- The ids that nobody had: a known segment keeps its row, whatever its state; one with a tombstone stays gone. Of two
-- who claim one at a time the second waits for the first.
INSERT INTO segment_ids (id, start_us)
SELECT id, start_us FROM unnest($1::uuid[], $2::bigint[]) AS sealed (id, start_us) ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: known
SELECT id FROM segment_ids WHERE id = ANY ($1::uuid[]);

-- name: nothing
SELECT 1;

-- name: places
SELECT id, start_us FROM segment_ids WHERE id = ANY ($1::uuid[]) ORDER BY id;

-- name: segments_at
SELECT segments.* FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
WHERE segments.start_us BETWEEN $3 AND $4;

-- name: overlapping
-- No segment is longer than 600 s: a range touches the partitions of its days, and the one before at most.
SELECT * FROM segments
WHERE stream = $1 AND start_us > $2::bigint - 600000000 AND start_us < $3 AND end_us > $2 AND $2 < $3::bigint
    AND ($4::boolean OR state IN ('spooled', 'uploading', 'stored', 'missing'))
ORDER BY start_us, epoch, run, sequence;

-- name: stretches
-- The same for timelines: answered by the index segments_timeline alone.
SELECT camera, stream, epoch, run, sequence, span, state, start_us, end_us, size_bytes, lost_packets FROM segments
WHERE stream = $1 AND start_us > $2::bigint - 600000000 AND start_us < $3 AND end_us > $2 AND $2 < $3::bigint
ORDER BY start_us, epoch, run, sequence;

-- name: recorded
-- Whether there is any, step by step: a look each. LIMIT keeps the planner from joining steps and rows as a whole.
SELECT begin_us FROM generate_series($2::bigint, $3::bigint - 1, $4::bigint) AS begin_us
CROSS JOIN LATERAL (
    SELECT 1 FROM segments
    WHERE stream = $1 AND start_us > $2::bigint - 600000000 AND start_us < $3
        AND start_us > begin_us - 600000000 AND start_us < least(begin_us + $4, $3) AND end_us > begin_us
        AND state IN ('spooled', 'uploading', 'stored')
    LIMIT 1
) AS first
ORDER BY begin_us;

-- name: samples
SELECT segment, samples FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
JOIN segment_samples ON segment_samples.segment = asked.id AND segment_samples.start_us = asked.start_us
WHERE segment_samples.start_us BETWEEN $3 AND $4;

-- name: states
-- One whose id is known and whose row is not there is gone.
SELECT asked.id, coalesce(segments.state, 'gone') AS state
FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
LEFT JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    AND segments.start_us BETWEEN $3 AND $4;

-- name: waiting
(SELECT * FROM segments WHERE state IN ('spooled', 'uploading') ORDER BY start_us DESC LIMIT $1)
UNION ALL
(SELECT * FROM segments WHERE state IN ('spooled', 'uploading') ORDER BY start_us LIMIT $2);

-- name: begin_upload
-- Rows are locked in the order of their ids, here and wherever rows are changed: two that change the same ones wait for
-- one another instead of both for each other.
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state = 'spooled'
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments SET state = 'uploading' FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state = 'spooled';

-- name: stored
-- A segment that was marked meanwhile stays marked: its object is deleted with the others.
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us, asked.sha256
    FROM unnest($1::uuid[], $2::bigint[], $5::bytea[]) AS asked (id, start_us, sha256)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state IN ('uploading', 'missing')
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments SET state = 'stored', sha256 = chosen.sha256 FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state IN ('uploading', 'missing');

-- name: mark_missing
WITH chosen AS MATERIALIZED (
    SELECT segments.id, segments.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    JOIN segments ON segments.id = asked.id AND segments.start_us = asked.start_us
    WHERE segments.start_us BETWEEN $3 AND $4 AND segments.state IN ('spooled', 'uploading', 'stored')
    ORDER BY segments.id FOR NO KEY UPDATE OF segments
)
UPDATE segments SET state = 'missing' FROM chosen
WHERE segments.id = chosen.id AND segments.start_us = chosen.start_us AND segments.start_us BETWEEN $3 AND $4
    AND segments.state IN ('spooled', 'uploading', 'stored');

-- name: give_up
-- The id is free again: a file that did not go may be registered once more.
WITH removed AS (
    DELETE FROM segments USING unnest($1::uuid[], $2::bigint[]) AS asked (id, start_us)
    WHERE segments.id = asked.id AND segments.start_us = asked.start_us AND segments.start_us BETWEEN $3 AND $4
        AND segments.state IN ('spooled', 'uploading')
    RETURNING segments.*
), emptied AS (
    DELETE FROM segment_samples USING removed
    WHERE segment_samples.segment = removed.id AND segment_samples.start_us = removed.start_us
        AND segment_samples.start_us BETWEEN $3 AND $4
), freed AS (
    DELETE FROM segment_ids USING removed WHERE segment_ids.id = removed.id
)
SELECT * FROM removed;
