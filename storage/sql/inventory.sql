-- Sites, cameras and policies.

-- name: sites
SELECT * FROM sites ORDER BY name;

-- name: policies
SELECT * FROM policies ORDER BY name;

-- name: cameras
-- The site by name, the stream's facts beside the camera's.
SELECT
    cameras.*, sites.name AS site_name, streams.epoch AS epoch, streams.expected_since_us AS expected_since_us
FROM cameras JOIN sites ON sites.id = cameras.site JOIN streams ON streams.id = cameras.stream
ORDER BY cameras.name;

-- name: camera
-- One of them, by id or name: every question about footage begins with it, and opening 220 sealed URLs takes 8 ms.
SELECT
    cameras.*, sites.name AS site_name, streams.epoch AS epoch, streams.expected_since_us AS expected_since_us
FROM cameras JOIN sites ON sites.id = cameras.site JOIN streams ON streams.id = cameras.stream
WHERE cameras.id = :id OR cameras.name = :name
ORDER BY cameras.name LIMIT 1;

-- name: put_policy
INSERT INTO policies (name, keep_max_us, keep_min_us, purpose) VALUES (:name, :keep_max_us, :keep_min_us, :purpose)
ON CONFLICT (name) DO UPDATE SET
    keep_max_us = excluded.keep_max_us, keep_min_us = excluded.keep_min_us, purpose = excluded.purpose;

-- name: put_site
INSERT INTO sites (id, name, networks, uplink_bps) VALUES (:id, :name, :networks, :uplink_bps)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, networks = excluded.networks, uplink_bps = excluded.uplink_bps;

-- name: step_aside
-- Names are unique at every statement: cameras that swap names first take one that nobody has.
UPDATE cameras SET name = ' ' || lower(hex(id)) WHERE id = :id;

-- name: put_camera
INSERT INTO cameras (
    id, name, site, stream, policy, class, origin, enabled, enabled_since_us, sealed_url, bitrate_bps,
    transport, tls_ca, tls_pin, source, audio
)
SELECT
    :id, :name, sites.id, :stream, :policy, :class, :origin, :enabled, :enabled_since_us, :sealed_url, :bitrate_bps,
    :transport, :tls_ca, :tls_pin, :source, :audio
FROM sites WHERE sites.name = :site
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, site = excluded.site, policy = excluded.policy, class = excluded.class,
    origin = excluded.origin, enabled = excluded.enabled, enabled_since_us = excluded.enabled_since_us,
    sealed_url = excluded.sealed_url, bitrate_bps = excluded.bitrate_bps,
    transport = excluded.transport, tls_ca = excluded.tls_ca, tls_pin = excluded.tls_pin, audio = excluded.audio,
    source = excluded.source;

-- name: reseal
UPDATE cameras SET sealed_url = :sealed_url WHERE id = :id;

-- name: put_stream
-- The stream may be known by its footage before its camera is.
INSERT INTO streams (id, camera, epoch) VALUES (:id, :camera, :epoch)
ON CONFLICT (id) DO NOTHING;

-- name: expect_since
-- From its first enabling on a stream is declared at every instant; later ones do not move it.
UPDATE streams SET expected_since_us = :since_us WHERE id = :id AND expected_since_us IS NULL;
