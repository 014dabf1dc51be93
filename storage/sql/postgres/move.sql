-- The target of a move. Rows are read back in the order of their keys, as the source has them (sql/move.sql).

-- name: state
SELECT id, taken_from, is_whole FROM catalog FOR UPDATE;

-- name: is_used
SELECT EXISTS (SELECT 1 FROM sites) OR EXISTS (SELECT 1 FROM streams) OR EXISTS (SELECT 1 FROM runs)
    OR EXISTS (SELECT 1 FROM segment_ids);

-- name: begin
-- Of a database that nobody has used: policies are written by every start, and come from the source.
UPDATE catalog SET taken_from = $1, is_whole = false;

-- name: forget_policies
DELETE FROM policies;

-- name: progress
SELECT noun, last_key, rows FROM moves;

-- name: advance
INSERT INTO moves (noun, last_key, rows) VALUES ($1, $2, $3)
ON CONFLICT (noun) DO UPDATE SET last_key = excluded.last_key, rows = moves.rows + excluded.rows;

-- name: policies
SELECT name, keep_max_us, keep_min_us, purpose FROM policies
WHERE name COLLATE "C" > $1 ORDER BY name COLLATE "C" LIMIT $2;

-- name: sites
SELECT id, name, networks, uplink_bps FROM sites WHERE id > $1 ORDER BY id LIMIT $2;

-- name: streams
SELECT id, camera, epoch, expected_since_us, declared_until_us FROM streams WHERE id > $1 ORDER BY id LIMIT $2;

-- name: cameras
SELECT id, name, site, stream, policy, class, origin, enabled, enabled_since_us, sealed_url, bitrate_bps,
    transport, tls_ca, tls_pin, source, audio
FROM cameras WHERE id > $1 ORDER BY id LIMIT $2;

-- name: runs
SELECT run, host, boot_id, started_us, ended_us, journal_offset, order_us FROM runs
WHERE run > $1 ORDER BY run LIMIT $2;

-- name: run_streams
SELECT run, stream, started_us FROM run_streams WHERE (run, stream) > ($1, $2) ORDER BY run, stream LIMIT $3;

-- name: gaps
SELECT stream, start_us, end_us, reason, detail FROM gaps
WHERE (stream, start_us) > ($1, $2) ORDER BY stream, start_us LIMIT $3;

-- name: events
SELECT number, run, stream, at_us, kind, fields FROM events WHERE number > $1 ORDER BY number LIMIT $2;

-- name: tombstones
SELECT id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, deleted_us, policy, reason
FROM tombstones WHERE (stream, start_us, id) > ($1, $2, $3) ORDER BY stream, start_us, id LIMIT $4;

-- name: segments
SELECT id, stream, camera, epoch, run, sequence, span, state, start_us, end_us, media_ticks, duration_ticks, timescale,
    samples, sync_samples, lost_packets, codec, width, height, init_bytes, size_bytes, sha256, chain, fragments,
    marked_us, mark_policy, mark_reason, payload_bytes, duration_runs, offset_runs, least_offset_ticks,
    last_sample_ticks, was_missing,
    (
        SELECT segment_samples.samples FROM segment_samples
        WHERE segment_samples.segment = segments.id AND segment_samples.start_us = segments.start_us
    ) AS sample_table
FROM segments WHERE (stream, start_us, id) > ($1, $2, $3) ORDER BY stream, start_us, id LIMIT $4;

-- name: journal_objects
SELECT sequence, key, content FROM journal_objects WHERE sequence > $1 ORDER BY sequence LIMIT $2;

-- name: counts
SELECT
    (SELECT count(*) FROM policies) AS policies, (SELECT count(*) FROM sites) AS sites,
    (SELECT count(*) FROM streams) AS streams, (SELECT count(*) FROM cameras) AS cameras,
    (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM run_streams) AS run_streams,
    (SELECT count(*) FROM gaps) AS gaps, (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM tombstones) AS tombstones, (SELECT count(*) FROM segments) AS segments,
    (SELECT count(*) FROM journal_objects) AS journal_objects;

-- name: forget_marks
-- Those that the move itself made; the source's come in their place.
DELETE FROM outbox;

-- name: take_head
-- The journal goes on where the source left it: one chain.
UPDATE journal_head SET catalog = $1, sequence = $2, sha256 = $3, composed_us = $4;

-- name: number_on
SELECT setval(pg_get_serial_sequence('events', 'number'), (SELECT coalesce(max(number), 0) + 1 FROM events), false);

-- name: finish
UPDATE catalog SET is_whole = true;

-- name: is_whole
SELECT is_whole FROM catalog;
