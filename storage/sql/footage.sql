-- Segments and their sample tables.

-- name: register
-- A known segment keeps its row, whatever its state; one with a tombstone stays gone.
INSERT INTO segments (
    id, stream, camera, epoch, run, sequence, span, state, start_us, end_us, media_ticks, duration_ticks, timescale,
    samples, sync_samples, lost_packets, codec, width, height, init_bytes, size_bytes, chain, fragments,
    payload_bytes, duration_runs, offset_runs, least_offset_ticks, last_sample_ticks
)
SELECT
    :id, :stream, :camera, :epoch, :run, :sequence, :span, 'spooled', :start_us, :end_us, :media_ticks,
    :duration_ticks, :timescale, :samples, :sync_samples, :lost_packets, :codec, :width, :height, :init_bytes,
    :size_bytes, :chain, :fragments,
    :payload_bytes, :duration_runs, :offset_runs, :least_offset_ticks, :last_sample_ticks
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = :id)
ON CONFLICT (id) DO NOTHING;

-- name: register_samples
-- Only ever called for a row that was inserted in this transaction.
INSERT INTO segment_samples (segment, samples) VALUES (:id, :samples);

-- name: segment
SELECT * FROM segments WHERE id = :id;

-- name: overlapping
-- No segment is longer than 600 s, so the primary key (stream, start_us) bounds the search at both ends.
SELECT * FROM segments
WHERE stream = :stream AND start_us > :from_us - 600000000 AND start_us < :to_us AND end_us > :from_us
    AND :from_us < :to_us
    AND (:marked OR state IN ('spooled', 'uploading', 'stored', 'missing'))
ORDER BY start_us, epoch, run, sequence;

-- name: stretches
-- The same for timelines: columns that stand before the large ones, and no other, cost a third.
SELECT camera, stream, epoch, run, sequence, span, state, start_us, end_us, size_bytes, lost_packets FROM segments
WHERE stream = :stream AND start_us > :from_us - 600000000 AND start_us < :to_us AND end_us > :from_us
    AND :from_us < :to_us
ORDER BY start_us, epoch, run, sequence;

-- name: recorded
-- Whether there is any, step by step: a seek each. Reading the rows of a month would be 45 000.
WITH RECURSIVE steps (begin_us) AS (
    SELECT :from_us WHERE :from_us < :to_us
    UNION ALL
    SELECT begin_us + :step_us FROM steps WHERE begin_us + :step_us < :to_us
)
SELECT begin_us FROM steps
WHERE EXISTS (
    SELECT 1 FROM segments
    WHERE stream = :stream AND start_us > begin_us - 600000000 AND start_us < min(begin_us + :step_us, :to_us)
        AND end_us > begin_us AND state IN ('spooled', 'uploading', 'stored')
);

-- name: samples
SELECT samples FROM segment_samples WHERE segment = :id;

-- name: state
-- One answer from either table: a segment is in one of them at most.
SELECT state FROM segments WHERE id = :id
UNION ALL
SELECT 'gone' FROM tombstones WHERE id = :id;

-- name: waiting_newest
SELECT * FROM segments WHERE state IN ('spooled', 'uploading') ORDER BY start_us DESC LIMIT :limit;

-- name: waiting_oldest
SELECT * FROM segments WHERE state IN ('spooled', 'uploading') ORDER BY start_us LIMIT :limit;

-- name: begin_upload
UPDATE segments SET state = 'uploading' WHERE id = :id AND state = 'spooled';

-- name: stored
-- A segment that was marked meanwhile stays marked: its object is deleted with the others.
UPDATE segments SET state = 'stored', sha256 = :sha256 WHERE id = :id AND state IN ('uploading', 'missing');

-- name: mark_missing
UPDATE segments SET state = 'missing' WHERE id = :id AND state IN ('spooled', 'uploading', 'stored');

-- name: give_up
-- Its sample table goes with it (ON DELETE CASCADE).
DELETE FROM segments WHERE id = :id AND state IN ('spooled', 'uploading') RETURNING *;
