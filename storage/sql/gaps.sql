-- Streams, gaps, runs and events.

-- name: adopt_stream
-- Footage and journals of a stream that nobody told this catalog about are taken in, never refused.
INSERT INTO streams (id, camera, epoch) VALUES (:id, :camera, :epoch)
ON CONFLICT (id) DO NOTHING;

-- name: stream
SELECT * FROM streams WHERE id = :id;

-- name: declared_until
-- It only ever moves forward: footage that turns up late does not undo what was declared.
UPDATE streams SET declared_until_us = :until_us
WHERE id = :id AND (declared_until_us IS NULL OR declared_until_us < :until_us);

-- name: expected
-- Since when each instant of a stream is declared: since it was enabled, or since its first trace if that is earlier.
SELECT
    id,
    min(
        coalesce(expected_since_us, 9223372036854775807),
        coalesce((SELECT min(start_us) FROM segments WHERE stream = streams.id), 9223372036854775807),
        coalesce((SELECT min(start_us) FROM tombstones WHERE stream = streams.id), 9223372036854775807),
        coalesce((SELECT min(start_us) FROM gaps WHERE stream = streams.id), 9223372036854775807)
    ) AS since_us
FROM streams
WHERE since_us < 9223372036854775807;

-- name: window_gaps
-- Rows do not overlap, so the last one that begins at or before an instant is the only one that can reach over it.
SELECT * FROM gaps
WHERE stream = :stream
    AND start_us >= coalesce((SELECT max(start_us) FROM gaps WHERE stream = :stream AND start_us <= :from_us), :from_us)
ORDER BY start_us;

-- name: window_footage
-- As above, and 600 s more: segments may overlap (a clock that stepped back), but none is longer.
SELECT start_us, end_us FROM segments
WHERE stream = :stream AND start_us > -600000000
    + coalesce((SELECT max(start_us) FROM segments WHERE stream = :stream AND start_us <= :from_us), :from_us)
UNION ALL
SELECT start_us, end_us FROM tombstones
WHERE stream = :stream AND start_us > -600000000
    + coalesce((SELECT max(start_us) FROM tombstones WHERE stream = :stream AND start_us <= :from_us), :from_us);

-- name: overlapping
-- The same bound at the lower end; a gap may be of any length.
SELECT * FROM gaps
WHERE stream = :stream AND start_us < :to_us AND (end_us IS NULL OR end_us > :from_us)
    AND start_us >= coalesce((SELECT max(start_us) FROM gaps WHERE stream = :stream AND start_us <= :from_us), :from_us)
ORDER BY start_us;

-- name: lacking
-- Step by step as in `recorded`: a gap that begins in the step, or the last one before it if it reaches into it.
WITH RECURSIVE steps (begin_us) AS (
    SELECT :from_us WHERE :from_us < :to_us
    UNION ALL
    SELECT begin_us + :step_us FROM steps WHERE begin_us + :step_us < :to_us
)
SELECT begin_us FROM steps
WHERE EXISTS (
        SELECT 1 FROM gaps
        WHERE stream = :stream AND start_us >= begin_us AND start_us < min(begin_us + :step_us, :to_us)
    )
    OR begin_us < (
        SELECT coalesce(end_us, 9223372036854775807) FROM gaps
        WHERE stream = :stream AND start_us < begin_us ORDER BY start_us DESC LIMIT 1
    );

-- name: insert_gap
INSERT INTO gaps (stream, start_us, end_us, reason, detail) VALUES (:stream, :start_us, :end_us, :reason, :detail);

-- name: delete_gap
DELETE FROM gaps WHERE stream = :stream AND start_us = :start_us;

-- name: meet_run
-- Its first record may be lost or yet to come; what is known is filled in, never taken back.
INSERT INTO runs (run, host, boot_id, started_us, order_us, journal_offset)
VALUES (:run, :host, :boot_id, :started_us, :order_us, 0)
ON CONFLICT (run) DO UPDATE SET
    host = CASE WHEN excluded.host = '' THEN host ELSE excluded.host END,
    boot_id = CASE WHEN excluded.boot_id = '' THEN boot_id ELSE excluded.boot_id END,
    started_us = coalesce(excluded.started_us, started_us),
    order_us = coalesce(excluded.order_us, order_us);

-- name: run
SELECT * FROM runs WHERE run = :run;

-- name: move_journal_offset
UPDATE runs SET journal_offset = :offset WHERE run = :run;

-- name: end_run
UPDATE runs SET ended_us = :ended_us WHERE run = :run;

-- name: join_run
-- A run may start a stream more than once (disabled and enabled again); the first time counts.
INSERT INTO run_streams (run, stream, started_us) VALUES (:run, :stream, :started_us)
ON CONFLICT (run, stream) DO NOTHING;

-- name: streams_of_run
SELECT stream FROM run_streams WHERE run = :run ORDER BY stream;

-- name: stream_of_run
-- When a run started a stream, and when the next run took it over, if one did: by a clock that may have gone back.
SELECT
    mine.started_us,
    (
        SELECT later.started_us FROM run_streams AS later JOIN runs AS later_run ON later_run.run = later.run
        WHERE later.stream = mine.stream AND later.run <> mine.run
            AND coalesce(later_run.order_us, later.started_us) >= coalesce(my_run.order_us, mine.started_us)
        ORDER BY coalesce(later_run.order_us, later.started_us) LIMIT 1
    ) AS taken_over_us
FROM run_streams AS mine JOIN runs AS my_run ON my_run.run = mine.run
WHERE mine.run = :run AND mine.stream = :stream;

-- name: last_run
-- The run that had the stream last, other than this one.
SELECT runs.* FROM run_streams JOIN runs USING (run)
WHERE run_streams.stream = :stream AND run_streams.run <> :run
ORDER BY coalesce(runs.order_us, run_streams.started_us) DESC LIMIT 1;

-- name: insert_event
INSERT INTO events (run, stream, at_us, kind, fields) VALUES (:run, :stream, :at_us, :kind, :fields);

-- name: clock_stepped
SELECT 1 FROM events
WHERE run = :run AND stream IS NULL AND kind = 'clock_step'
    AND at_us BETWEEN :from_us AND :to_us
LIMIT 1;

-- name: events
-- Those of the stream, and those of the runs that had it.
SELECT * FROM events WHERE stream = :stream AND at_us >= :from_us AND at_us < :to_us
UNION ALL
SELECT events.* FROM run_streams JOIN events ON events.run = run_streams.run AND events.stream IS NULL
WHERE run_streams.stream = :stream AND events.at_us >= :from_us AND events.at_us < :to_us
ORDER BY at_us, number;
