-- The first schema of the catalog.
--
-- Times are microseconds UTC (_us), media times ticks of the row's timescale (_ticks), sizes bytes (_bytes); UUIDs and
-- hashes are blobs of 16 and 32 bytes; ranges are half-open. Every table is STRICT, so a value of a wrong type is an
-- error and not a surprise. CHECKs state what the code relies on.

CREATE TABLE sites (
    id          BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT    NOT NULL UNIQUE CHECK (name <> ''),
    networks    TEXT    NOT NULL CHECK (json_valid(networks)),      -- array of CIDR: where its cameras may live
    uplink_bps  INTEGER CHECK (uplink_bps > 0)
) STRICT;

CREATE TABLE policies (
    name         TEXT    PRIMARY KEY CHECK (name <> ''),
    keep_max_us  INTEGER NOT NULL CHECK (keep_max_us > 0),
    keep_min_us  INTEGER CHECK (keep_min_us BETWEEN 0 AND keep_max_us),
    purpose      TEXT    NOT NULL
) STRICT;

-- A stream is known by its footage as well as by its camera: what a spool brings to a new catalog is taken in before
-- anybody tells the catalog about the camera. Hence no reference to cameras.
CREATE TABLE streams (
    id                 BLOB    PRIMARY KEY CHECK (length(id) = 16),
    camera             BLOB    NOT NULL CHECK (length(camera) = 16),
    epoch              INTEGER NOT NULL CHECK (epoch >= 0),
    expected_since_us  INTEGER,                                     -- I4 holds from here on; NULL: never enabled
    declared_until_us  INTEGER                                      -- up to here every hole has been declared
) STRICT;

CREATE INDEX streams_camera ON streams (camera);

CREATE TABLE cameras (
    id                BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name              TEXT    NOT NULL UNIQUE CHECK (name <> ''),
    site              BLOB    NOT NULL REFERENCES sites (id),
    stream            BLOB    NOT NULL UNIQUE REFERENCES streams (id),
    policy            TEXT    NOT NULL REFERENCES policies (name),
    class             TEXT    NOT NULL,
    origin            TEXT    NOT NULL CHECK (origin IN ('file', 'api')),
    enabled           INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    enabled_since_us  INTEGER NOT NULL,
    sealed_url        BLOB    NOT NULL,                             -- AES-GCM; bound to camera id and field
    bitrate_bps       INTEGER CHECK (bitrate_bps > 0)
) STRICT;

CREATE INDEX cameras_site ON cameras (site);
CREATE INDEX cameras_policy ON cameras (policy);

-- Clustered by stream and time: a day of one camera is read from neighbouring pages, whatever else was recorded then.
-- No segment is longer than 10 minutes, so what overlaps [from, to) begins after from - 600 s.
CREATE TABLE segments (
    id              BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    stream          BLOB    NOT NULL REFERENCES streams (id),
    camera          BLOB    NOT NULL CHECK (length(camera) = 16),
    epoch           INTEGER NOT NULL CHECK (epoch >= 0),
    run             INTEGER NOT NULL CHECK (run >= 0),
    sequence        INTEGER NOT NULL CHECK (sequence >= 0),
    span            INTEGER NOT NULL CHECK (span >= 0),
    state           TEXT    NOT NULL
                    CHECK (state IN ('spooled', 'uploading', 'stored', 'missing', 'marked', 'purging')),
    start_us        INTEGER NOT NULL,
    end_us          INTEGER NOT NULL,
    media_ticks     INTEGER NOT NULL,
    duration_ticks  INTEGER NOT NULL CHECK (duration_ticks >= 0),
    timescale       INTEGER NOT NULL CHECK (timescale > 0),
    samples         INTEGER NOT NULL CHECK (samples > 0),
    sync_samples    INTEGER NOT NULL CHECK (sync_samples BETWEEN 0 AND samples),
    lost_packets    INTEGER NOT NULL CHECK (lost_packets >= 0),
    codec           TEXT    NOT NULL,
    width           INTEGER NOT NULL CHECK (width >= 0),
    height          INTEGER NOT NULL CHECK (height >= 0),
    init_bytes      INTEGER NOT NULL CHECK (init_bytes > 0),
    size_bytes      INTEGER NOT NULL CHECK (size_bytes >= init_bytes),
    sha256          BLOB    CHECK (length(sha256) = 32),
    chain           BLOB    NOT NULL CHECK (length(chain) = 32),
    fragments       BLOB    NOT NULL,                               -- media/fragment_index.py
    marked_us       INTEGER,
    mark_policy     TEXT,
    mark_reason     TEXT,
    PRIMARY KEY (stream, start_us, id),
    CHECK (end_us - start_us BETWEEN 0 AND 600000000),
    CHECK (state <> 'stored' OR sha256 IS NOT NULL),
    CHECK ((state IN ('marked', 'purging')) = (marked_us IS NOT NULL)),
    CHECK ((marked_us IS NULL) = (mark_policy IS NULL) AND (marked_us IS NULL) = (mark_reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX segments_waiting ON segments (start_us) WHERE state IN ('spooled', 'uploading');
CREATE INDEX segments_marked ON segments (stream, start_us) WHERE state = 'marked';
CREATE INDEX segments_purging ON segments (marked_us) WHERE state = 'purging';

-- Large, and needed for an exact mp4 only: a table of its own, so that no timeline query reads past it.
CREATE TABLE segment_samples (
    segment  BLOB PRIMARY KEY REFERENCES segments (id) ON DELETE CASCADE,
    samples  BLOB NOT NULL                                          -- media/sample_table.py
) STRICT;

-- What remains of deleted segments. An id is either here or in segments, never in both (I2).
CREATE TABLE tombstones (
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    stream      BLOB    NOT NULL REFERENCES streams (id),
    camera      BLOB    NOT NULL CHECK (length(camera) = 16),
    epoch       INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    start_us    INTEGER NOT NULL,
    end_us      INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL,
    sha256      BLOB    CHECK (length(sha256) = 32),
    deleted_us  INTEGER NOT NULL,
    policy      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    PRIMARY KEY (stream, start_us, id),
    CHECK (end_us - start_us BETWEEN 0 AND 600000000)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run             INTEGER PRIMARY KEY CHECK (run >= 0),
    host            TEXT    NOT NULL,
    boot_id         TEXT    NOT NULL,
    started_us      INTEGER,                                        -- NULL: its journal lost the first record
    ended_us        INTEGER,                                        -- NULL: it did not stop cleanly, or still runs
    journal_offset  INTEGER NOT NULL CHECK (journal_offset >= 0)    -- bytes of its journal that were imported
) STRICT;

CREATE TABLE run_streams (
    run         INTEGER NOT NULL REFERENCES runs (run),
    stream      BLOB    NOT NULL REFERENCES streams (id),
    started_us  INTEGER NOT NULL,
    PRIMARY KEY (run, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_streams_stream ON run_streams (stream, started_us);

-- Rows of a stream never overlap one another or footage (storage/gap_ledger.py); at most one has no end.
CREATE TABLE gaps (
    stream    BLOB    NOT NULL REFERENCES streams (id),
    start_us  INTEGER NOT NULL,
    end_us    INTEGER CHECK (end_us > start_us),
    reason    TEXT    NOT NULL
              CHECK (reason IN ('dns', 'unreachable', 'refused', 'tls', 'auth', 'not_found', 'busy', 'unsupported',
                                'no_media', 'stalled', 'protocol', 'flood', 'no_sync', 'camera_disabled', 'crash',
                                'shutdown', 'spool_full', 'disk_error', 'clock_step', 'host_lost')),
    detail    TEXT    NOT NULL,
    PRIMARY KEY (stream, start_us)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX gaps_open ON gaps (stream) WHERE end_us IS NULL;

CREATE TABLE events (
    number  INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES runs (run),
    stream  BLOB    REFERENCES streams (id),                        -- NULL: all streams of the run
    at_us   INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    fields  TEXT    NOT NULL CHECK (json_valid(fields))
) STRICT;

CREATE INDEX events_stream ON events (stream, at_us);
CREATE INDEX events_run ON events (run, at_us) WHERE stream IS NULL;
