-- Sites, cameras and policies.

-- name: alone
-- Of two that change the inventory the second plans with what the first made of it.
SELECT pg_advisory_xact_lock(1213484116, 3);

-- name: sites
SELECT * FROM sites ORDER BY name;

-- name: policies
SELECT name, keep_max_us, keep_min_us, purpose FROM policies ORDER BY name;

-- name: cameras
-- The site by name, the stream's facts beside the camera's. Names in the order of their bytes, as everywhere.
SELECT
    cameras.*, sites.name AS site_name, streams.epoch AS epoch, streams.expected_since_us AS expected_since_us
FROM cameras JOIN sites ON sites.id = cameras.site JOIN streams ON streams.id = cameras.stream
ORDER BY cameras.name COLLATE "C";

-- name: camera
SELECT
    cameras.*, sites.name AS site_name, streams.epoch AS epoch, streams.expected_since_us AS expected_since_us
FROM cameras JOIN sites ON sites.id = cameras.site JOIN streams ON streams.id = cameras.stream
WHERE cameras.id = $1 OR cameras.name = $2
ORDER BY cameras.name COLLATE "C" LIMIT 1;

-- name: enabled
SELECT id FROM cameras WHERE enabled;

-- name: put_policy
INSERT INTO policies (name, keep_max_us, keep_min_us, purpose) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
    keep_max_us = excluded.keep_max_us, keep_min_us = excluded.keep_min_us, purpose = excluded.purpose;

-- name: put_site
INSERT INTO sites (id, name, networks, uplink_bps) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, networks = excluded.networks, uplink_bps = excluded.uplink_bps;

-- name: step_aside
-- Names are unique at every statement: cameras that swap names first take one that nobody has.
UPDATE cameras SET name = ' ' || id WHERE id = ANY ($1::uuid[]);

-- name: put_camera
INSERT INTO cameras (
    id, stream, name, site, policy, class, origin, enabled, enabled_since_us, sealed_url, bitrate_bps,
    transport, tls_ca, tls_pin, audio, source
)
SELECT $1, $2, $3, sites.id, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM sites WHERE sites.name = $4
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, site = excluded.site, policy = excluded.policy, class = excluded.class,
    origin = excluded.origin, enabled = excluded.enabled, enabled_since_us = excluded.enabled_since_us,
    sealed_url = excluded.sealed_url, bitrate_bps = excluded.bitrate_bps,
    transport = excluded.transport, tls_ca = excluded.tls_ca, tls_pin = excluded.tls_pin, audio = excluded.audio,
    source = excluded.source;

-- name: reseal
UPDATE cameras SET sealed_url = $1 WHERE id = $2;

-- name: expect_since
-- From its first enabling on a stream is declared at every instant; later ones do not move it.
UPDATE streams SET expected_since_us = $2 WHERE id = ANY ($1::uuid[]) AND expected_since_us IS NULL;
