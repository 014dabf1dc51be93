-- Streams, gaps, runs and events. What changes the gaps of streams holds their locks ("lock_streams"), so nobody else
-- changes what was loaded before it is written back.

-- name: lock_streams
-- In the order given, which is the same for everybody. Until the transaction ends.
SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key;

-- name: adopt_streams
-- Footage and journals of a stream that nobody told this catalog about are taken in, never refused.
INSERT INTO streams (id, camera, epoch)
SELECT id, camera, epoch FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS met (id, camera, epoch)
ON CONFLICT (id) DO NOTHING;

-- name: streams
SELECT id, expected_since_us, declared_until_us FROM streams WHERE id = ANY ($1::uuid[]);

-- name: declared_until
-- It only ever moves forward: footage that turns up late does not undo what was declared.
UPDATE streams SET declared_until_us = until_us
FROM unnest($1::uuid[], $2::bigint[]) AS declared (stream, until_us)
WHERE id = stream AND (declared_until_us IS NULL OR declared_until_us < until_us);

-- name: expected
-- Since when each instant of a stream is declared: since it was enabled, or since its first trace if that is earlier.
SELECT id, since_us FROM (
    SELECT
        id,
        least(
            expected_since_us,
            (SELECT start_us FROM segments WHERE stream = streams.id ORDER BY start_us LIMIT 1),
            (SELECT start_us FROM tombstones WHERE stream = streams.id ORDER BY start_us LIMIT 1),
            (SELECT start_us FROM gaps WHERE stream = streams.id ORDER BY start_us LIMIT 1)
        ) AS since_us
    FROM streams WHERE $1::uuid IS NULL OR id = $1
) AS traced
WHERE since_us IS NOT NULL;

-- name: window_gaps
-- Rows do not overlap, so the last one that begins at or before an instant is the only one that can reach over it.
SELECT found.* FROM unnest($1::uuid[], $2::bigint[]) AS asked (stream, from_us)
CROSS JOIN LATERAL (
    SELECT * FROM gaps
    WHERE gaps.stream = asked.stream AND gaps.start_us >= coalesce(
        (SELECT max(start_us) FROM gaps AS earlier WHERE earlier.stream = asked.stream AND start_us <= asked.from_us),
        asked.from_us
    )
) AS found;

-- name: window_tombstones
-- As above, and 600 s more: segments may overlap (a clock that stepped back), but none is longer.
SELECT asked.stream, found.start_us, found.end_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (stream, from_us)
CROSS JOIN LATERAL (
    SELECT start_us, end_us FROM tombstones
    WHERE tombstones.stream = asked.stream AND tombstones.start_us > -600000000 + coalesce(
        (
            SELECT max(start_us) FROM tombstones AS earlier
            WHERE earlier.stream = asked.stream AND start_us <= asked.from_us
        ),
        asked.from_us
    )
) AS found;

-- name: window_segments
-- From some instants on; $3, the least of them, names the partitions.
SELECT asked.stream, found.start_us, found.end_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (stream, from_us)
CROSS JOIN LATERAL (
    SELECT start_us, end_us FROM segments
    WHERE segments.stream = asked.stream AND start_us > asked.from_us AND start_us > $3
    OFFSET 0
) AS found;

-- name: last_before
-- The last segment that begins at or before an instant; $3 is the greatest of them. Looks back day by day.
SELECT asked.stream, found.start_us FROM unnest($1::uuid[], $2::bigint[]) AS asked (stream, from_us)
CROSS JOIN LATERAL (
    SELECT start_us FROM segments
    WHERE segments.stream = asked.stream AND start_us <= asked.from_us AND start_us <= $3
    ORDER BY start_us DESC LIMIT 1
) AS found;

-- name: overlapping
-- A gap may be of any length.
SELECT * FROM gaps
WHERE stream = $1 AND start_us < $3 AND (end_us IS NULL OR end_us > $2)
    AND start_us >= coalesce((SELECT max(start_us) FROM gaps WHERE stream = $1 AND start_us <= $2), $2)
ORDER BY start_us;

-- name: lacking
-- Step by step as in `recorded`: a gap that begins in the step, or the last one before it if it reaches into it.
SELECT begin_us FROM generate_series($2::bigint, $3::bigint - 1, $4::bigint) AS begin_us
WHERE EXISTS (
        SELECT 1 FROM gaps
        WHERE stream = $1 AND start_us >= begin_us AND start_us < least(begin_us + $4, $3)
        OFFSET 0
    )
    OR begin_us < (
        SELECT coalesce(end_us, 9223372036854775807) FROM gaps
        WHERE stream = $1 AND start_us < begin_us ORDER BY start_us DESC LIMIT 1
    )
ORDER BY begin_us;

-- name: delete_gaps
DELETE FROM gaps USING unnest($1::uuid[], $2::bigint[]) AS old (stream, start_us)
WHERE gaps.stream = old.stream AND gaps.start_us = old.start_us;

-- name: insert_gaps
INSERT INTO gaps (stream, start_us, end_us, reason, detail)
SELECT stream, start_us, end_us, reason, detail
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
    AS new (stream, start_us, end_us, reason, detail);

-- name: meet_run
INSERT INTO runs (run, host, boot_id, journal_offset) VALUES ($1, '', '', 0)
ON CONFLICT (run) DO NOTHING;

-- name: run
SELECT * FROM runs WHERE run = $1;

-- name: lock_run
-- Of two that import one journal the second sees how far the first came.
SELECT * FROM runs WHERE run = $1 FOR NO KEY UPDATE;

-- name: write_run
UPDATE runs SET host = $2, boot_id = $3, started_us = $4, order_us = $5, ended_us = $6, journal_offset = $7
WHERE run = $1;

-- name: join_run
-- A run may start a stream more than once (disabled and enabled again); the first time counts.
INSERT INTO run_streams (run, stream, started_us)
SELECT $1, stream, started_us FROM unnest($2::uuid[], $3::bigint[]) AS begun (stream, started_us)
ON CONFLICT (run, stream) DO NOTHING;

-- name: streams_of_run
SELECT stream, started_us FROM run_streams WHERE run = $1 ORDER BY stream;

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
WHERE mine.run = $1 AND mine.stream = $2;

-- name: last_runs
-- The run that had each stream last, other than this one: where it is in the order, and whether it stopped cleanly.
SELECT asked.stream, last.order_us, last.ended_us FROM unnest($2::uuid[]) AS asked (stream)
CROSS JOIN LATERAL (
    SELECT coalesce(runs.order_us, run_streams.started_us) AS order_us, runs.ended_us
    FROM run_streams JOIN runs USING (run)
    WHERE run_streams.stream = asked.stream AND run_streams.run <> $1
    ORDER BY coalesce(runs.order_us, run_streams.started_us) DESC LIMIT 1
) AS last;

-- name: insert_events
INSERT INTO events (run, stream, at_us, kind, fields)
SELECT $1, stream, at_us, kind, fields
FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::json[])
    WITH ORDINALITY AS new (stream, at_us, kind, fields, place)
ORDER BY place;

-- name: clock_steps
SELECT run, at_us FROM events
WHERE run = ANY ($1::bigint[]) AND stream IS NULL AND kind = 'clock_step' AND at_us BETWEEN $2 AND $3;

-- name: events
-- Those of the stream, and those of the runs that had it.
SELECT * FROM events WHERE stream = $1 AND at_us >= $2 AND at_us < $3
UNION ALL
SELECT events.* FROM run_streams JOIN events ON events.run = run_streams.run AND events.stream IS NULL
WHERE run_streams.stream = $1 AND events.at_us >= $2 AND events.at_us < $3
ORDER BY at_us, number;
