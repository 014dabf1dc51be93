-- The first schema of the catalog in PostgreSQL. Tables and columns as in the embedded catalog (storage/sql/migrations),
-- with what PostgreSQL has and SQLite has not: types for UUIDs and truth, and partitions.
--
-- Every migration here runs while processes of the version before are at work. So it may add tables, and columns at the
-- end of tables with a default that costs nothing; it never takes away, renames or rewrites what they read and write.
-- It waits 2 s for a lock at most (storage/postgres_schema.py), so that nobody queues behind it for longer.

CREATE TABLE sites (
    id          uuid    PRIMARY KEY,
    name        text    NOT NULL UNIQUE CHECK (name <> ''),
    networks    json    NOT NULL,                                   -- array of CIDR: where its cameras may live
    uplink_bps  bigint  CHECK (uplink_bps > 0)
);

CREATE TABLE policies (
    name         text    PRIMARY KEY CHECK (name <> ''),
    keep_max_us  bigint  NOT NULL CHECK (keep_max_us > 0),
    keep_min_us  bigint  CHECK (keep_min_us BETWEEN 0 AND keep_max_us),
    purpose      text    NOT NULL
);

-- A stream is known by its footage as well as by its camera; hence no reference to cameras.
CREATE TABLE streams (
    id                 uuid    PRIMARY KEY,
    camera             uuid    NOT NULL,
    epoch              bigint  NOT NULL CHECK (epoch >= 0),
    expected_since_us  bigint,                                      -- I4 holds from here on; NULL: never enabled
    declared_until_us  bigint                                       -- up to here every hole has been declared
);

CREATE INDEX streams_camera ON streams (camera);

CREATE TABLE cameras (
    id                uuid     PRIMARY KEY,
    name              text     NOT NULL UNIQUE CHECK (name <> ''),
    site              uuid     NOT NULL REFERENCES sites (id),
    stream            uuid     NOT NULL UNIQUE REFERENCES streams (id),
    policy            text     NOT NULL REFERENCES policies (name),
    class             text     NOT NULL,
    origin            text     NOT NULL CHECK (origin IN ('file', 'api')),
    enabled           boolean  NOT NULL,
    enabled_since_us  bigint   NOT NULL,
    sealed_url        bytea    NOT NULL,                            -- AES-GCM; bound to camera id and field
    bitrate_bps       bigint   CHECK (bitrate_bps > 0),
    transport         text     NOT NULL CHECK (transport IN ('tcp', 'udp')),
    tls_ca            text     NOT NULL,                            -- a file on the recording host; '': its own list
    tls_pin           text     NOT NULL,                            -- 'sha256/...' of the public key
    source            text     NOT NULL CHECK (source IN ('rtsp', 'libav')),
    audio             boolean  NOT NULL
);

-- Which partition a segment is in, and that its id exists once: what is unique in a partitioned table must contain the
-- partition key. The row stays when the segment goes: an id that is here and not in segments is a tombstone's (I2).
CREATE TABLE segment_ids (
    id        uuid    PRIMARY KEY,
    start_us  bigint  NOT NULL
);

-- By day of the start, UTC. No reference to streams: it would lock that table for every new day, and rows are only ever
-- written by a transaction that adopts the stream first. A stream is never removed.
CREATE TABLE segments (
    id                  uuid    NOT NULL,
    stream              uuid    NOT NULL,
    camera              uuid    NOT NULL,
    epoch               bigint  NOT NULL CHECK (epoch >= 0),
    run                 bigint  NOT NULL CHECK (run >= 0),
    sequence            bigint  NOT NULL CHECK (sequence >= 0),
    span                bigint  NOT NULL CHECK (span >= 0),
    state               text    NOT NULL DEFAULT 'spooled'
                        CHECK (state IN ('spooled', 'uploading', 'stored', 'missing', 'marked', 'purging')),
    start_us            bigint  NOT NULL,
    end_us              bigint  NOT NULL,
    media_ticks         bigint  NOT NULL,
    duration_ticks      bigint  NOT NULL CHECK (duration_ticks >= 0),
    timescale           bigint  NOT NULL CHECK (timescale > 0),
    samples             bigint  NOT NULL CHECK (samples > 0),
    sync_samples        bigint  NOT NULL CHECK (sync_samples BETWEEN 0 AND samples),
    lost_packets        bigint  NOT NULL CHECK (lost_packets >= 0),
    codec               text    NOT NULL,
    width               bigint  NOT NULL CHECK (width >= 0),
    height              bigint  NOT NULL CHECK (height >= 0),
    init_bytes          bigint  NOT NULL CHECK (init_bytes > 0),
    size_bytes          bigint  NOT NULL CHECK (size_bytes >= init_bytes),
    sha256              bytea   CHECK (length(sha256) = 32),
    chain               bytea   NOT NULL CHECK (length(chain) = 32),
    fragments           bytea   NOT NULL,                           -- media/fragment_index.py
    marked_us           bigint,
    mark_policy         text,
    mark_reason         text,
    payload_bytes       bigint,                                     -- of all samples; NULL: not known
    duration_runs       bigint,                                     -- of all but the last sample
    offset_runs         bigint,
    least_offset_ticks  bigint,
    last_sample_ticks   bigint,                                     -- since the first one
    PRIMARY KEY (start_us, id),
    CHECK (end_us - start_us BETWEEN 0 AND 600000000),
    CHECK (state <> 'stored' OR sha256 IS NOT NULL),
    CHECK ((state IN ('marked', 'purging')) = (marked_us IS NOT NULL)),
    CHECK ((marked_us IS NULL) = (mark_policy IS NULL) AND (marked_us IS NULL) = (mark_reason IS NULL))
) PARTITION BY RANGE (start_us);

-- PostgreSQL keeps rows in the order they came, so a day of one camera lies between 219 others. This index has all that
-- a timeline needs, stream by stream: 1440 neighbours instead of 1440 pages.
CREATE INDEX segments_timeline ON segments (stream, start_us)
    INCLUDE (camera, epoch, run, sequence, span, state, end_us, size_bytes, lost_packets);
CREATE INDEX segments_waiting ON segments (start_us) WHERE state IN ('spooled', 'uploading');
CREATE INDEX segments_leaving ON segments (state, stream, start_us) WHERE state IN ('marked', 'purging');

-- Large, and needed for an exact mp4 only. By day as well: what expires frees its room at once.
CREATE TABLE segment_samples (
    segment   uuid    NOT NULL,
    start_us  bigint  NOT NULL,
    samples   bytea   NOT NULL,                                     -- media/sample_table.py
    PRIMARY KEY (start_us, segment)
) PARTITION BY RANGE (start_us);

ALTER TABLE segment_samples ALTER COLUMN samples SET STORAGE EXTERNAL;  -- never compressed: read by range, written once

-- The days that have partitions. A day is a number: days since 1970-01-01.
CREATE TABLE days (
    day  bigint  PRIMARY KEY
);

CREATE FUNCTION day_name(day bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char(timestamp '1970-01-01' + day * interval '1 day', 'YYYYMMDD')
$$;

-- Attaching, unlike CREATE TABLE ... PARTITION OF, lets everybody read and write meanwhile.
CREATE FUNCTION make_days(wanted bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_day  bigint;
    parent   text;
    partition_name text;
BEGIN
    FOR new_day IN SELECT asked FROM unnest(wanted) AS asked WHERE asked NOT IN (SELECT day FROM days) ORDER BY asked
    LOOP
        FOREACH parent IN ARRAY ARRAY['segments', 'segment_samples']
        LOOP
            partition_name := parent || '_' || day_name(new_day);
            EXECUTE format(
                'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
                partition_name, parent
            );
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                parent, partition_name, new_day * 86400000000, (new_day + 1) * 86400000000
            );
        END LOOP;
        INSERT INTO days (day) VALUES (new_day);
    END LOOP;
END
$$;

-- Dropping stops everybody for as long as it takes, and whoever comes while it waits; the caller bounds both.
CREATE FUNCTION drop_empty_days(before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    old_day  bigint;
    is_used  boolean;
    dropped  bigint := 0;
BEGIN
    FOR old_day IN SELECT day FROM days WHERE day < before ORDER BY day
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', 'segments_' || day_name(old_day)) INTO is_used;
        CONTINUE WHEN is_used;
        LOCK TABLE segments, segment_samples IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', 'segments_' || day_name(old_day)) INTO is_used;
        CONTINUE WHEN is_used;
        EXECUTE format('DROP TABLE %I', 'segments_' || day_name(old_day));
        EXECUTE format('DROP TABLE %I', 'segment_samples_' || day_name(old_day));
        DELETE FROM days WHERE day = old_day;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

-- What remains of deleted segments.
CREATE TABLE tombstones (
    id          uuid    NOT NULL,
    stream      uuid    NOT NULL,
    camera      uuid    NOT NULL,
    epoch       bigint  NOT NULL,
    run         bigint  NOT NULL,
    sequence    bigint  NOT NULL,
    start_us    bigint  NOT NULL,
    end_us      bigint  NOT NULL,
    size_bytes  bigint  NOT NULL,
    sha256      bytea   CHECK (length(sha256) = 32),
    deleted_us  bigint  NOT NULL,
    policy      text    NOT NULL,
    reason      text    NOT NULL,
    PRIMARY KEY (stream, start_us, id),
    CHECK (end_us - start_us BETWEEN 0 AND 600000000)
);

CREATE TABLE runs (
    run             bigint  PRIMARY KEY CHECK (run >= 0),
    host            text    NOT NULL,
    boot_id         text    NOT NULL,
    started_us      bigint,                                         -- NULL: its journal lost the first record
    ended_us        bigint,                                         -- NULL: it did not stop cleanly, or still runs
    journal_offset  bigint  NOT NULL CHECK (journal_offset >= 0),   -- bytes of its journal that were imported
    order_us        bigint                                          -- rises from run to run; NULL: started_us
);

CREATE TABLE run_streams (
    run         bigint  NOT NULL REFERENCES runs (run),
    stream      uuid    NOT NULL REFERENCES streams (id),
    started_us  bigint  NOT NULL,
    PRIMARY KEY (run, stream)
);

CREATE INDEX run_streams_stream ON run_streams (stream, started_us);

-- Rows of a stream never overlap one another or footage (storage/gap_ledger.py); at most one has no end.
CREATE TABLE gaps (
    stream    uuid    NOT NULL REFERENCES streams (id),
    start_us  bigint  NOT NULL,
    end_us    bigint  CHECK (end_us > start_us),
    reason    text    NOT NULL
              CHECK (reason IN ('dns', 'unreachable', 'refused', 'tls', 'auth', 'not_found', 'busy', 'unsupported',
                                'no_media', 'stalled', 'protocol', 'flood', 'no_sync', 'camera_disabled', 'crash',
                                'shutdown', 'spool_full', 'disk_error', 'clock_step', 'host_lost')),
    detail    text    NOT NULL,
    PRIMARY KEY (stream, start_us)
);

CREATE UNIQUE INDEX gaps_open ON gaps (stream) WHERE end_us IS NULL;

CREATE TABLE events (
    number  bigint  PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    run     bigint  NOT NULL REFERENCES runs (run),
    stream  uuid    REFERENCES streams (id),                        -- NULL: all streams of the run
    at_us   bigint  NOT NULL,
    kind    text    NOT NULL,
    fields  json    NOT NULL
);

CREATE INDEX events_stream ON events (stream, at_us);
CREATE INDEX events_run ON events (run, at_us) WHERE stream IS NULL;
