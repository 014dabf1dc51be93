-- An embedded catalog, read for a move: each table in the order of its key, so many rows after one.

-- name: origin
SELECT catalog FROM journal_head;

-- name: policies
SELECT name, keep_max_us, keep_min_us, purpose FROM policies WHERE name > :k0 ORDER BY name LIMIT :limit;

-- name: sites
SELECT id, name, networks, uplink_bps FROM sites WHERE id > :k0 ORDER BY id LIMIT :limit;

-- name: streams
SELECT id, camera, epoch, expected_since_us, declared_until_us FROM streams WHERE id > :k0 ORDER BY id LIMIT :limit;

-- name: cameras
SELECT id, name, site, stream, policy, class, origin, enabled, enabled_since_us, sealed_url, bitrate_bps,
    transport, tls_ca, tls_pin, source, audio
FROM cameras WHERE id > :k0 ORDER BY id LIMIT :limit;

-- name: runs
SELECT run, host, boot_id, started_us, ended_us, journal_offset, order_us FROM runs
WHERE run > :k0 ORDER BY run LIMIT :limit;

-- name: run_streams
SELECT run, stream, started_us FROM run_streams WHERE (run, stream) > (:k0, :k1) ORDER BY run, stream LIMIT :limit;

-- name: gaps
SELECT stream, start_us, end_us, reason, detail FROM gaps
WHERE (stream, start_us) > (:k0, :k1) ORDER BY stream, start_us LIMIT :limit;

-- name: events
SELECT number, run, stream, at_us, kind, fields FROM events WHERE number > :k0 ORDER BY number LIMIT :limit;

-- name: tombstones
SELECT id, stream, camera, epoch, run, sequence, start_us, end_us, size_bytes, sha256, deleted_us, policy, reason
FROM tombstones WHERE (stream, start_us, id) > (:k0, :k1, :k2) ORDER BY stream, start_us, id LIMIT :limit;

-- name: segments
SELECT id, stream, camera, epoch, run, sequence, span, state, start_us, end_us, media_ticks, duration_ticks, timescale,
    samples, sync_samples, lost_packets, codec, width, height, init_bytes, size_bytes, sha256, chain, fragments,
    marked_us, mark_policy, mark_reason, payload_bytes, duration_runs, offset_runs, least_offset_ticks,
    last_sample_ticks, was_missing, (SELECT samples FROM segment_samples WHERE segment = segments.id) AS sample_table
FROM segments WHERE (stream, start_us, id) > (:k0, :k1, :k2) ORDER BY stream, start_us, id LIMIT :limit;

-- name: journal_objects
SELECT sequence, key, content FROM journal_objects WHERE sequence > :k0 ORDER BY sequence LIMIT :limit;

-- name: head
SELECT catalog, sequence, sha256, composed_us FROM journal_head;

-- name: outbox
SELECT noun, id, name, start_us, run, event FROM outbox ORDER BY number;

-- name: counts
SELECT
    (SELECT count(*) FROM policies) AS policies, (SELECT count(*) FROM sites) AS sites,
    (SELECT count(*) FROM streams) AS streams, (SELECT count(*) FROM cameras) AS cameras,
    (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM run_streams) AS run_streams,
    (SELECT count(*) FROM gaps) AS gaps, (SELECT count(*) FROM events) AS events,
    (SELECT count(*) FROM tombstones) AS tombstones, (SELECT count(*) FROM segments) AS segments,
    (SELECT count(*) FROM journal_objects) AS journal_objects;

-- name: check_copy
PRAGMA quick_check;
