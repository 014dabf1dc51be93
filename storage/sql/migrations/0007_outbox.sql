-- Changes on their way into journal objects of the object store (docs/formats/catalog-journal.md).
--
-- Triggers write the marks, so that no statement of today or of a later version can change a row and not have it told,
-- and so that mark and change are one transaction. A mark says which row; what is in it is read when it is told.

CREATE TABLE outbox (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,                    -- never used twice, also after the last one was told
    noun      TEXT    NOT NULL,
    id        BLOB    CHECK (length(id) = 16),                      -- its own, or its stream's
    name      TEXT,                                                 -- of a policy
    start_us  INTEGER,                                              -- of a gap
    run       INTEGER,
    event     INTEGER                                               -- the number of one
) STRICT;

-- Composed and not yet known to be written. Its bytes are kept until then, so that whoever tries again writes the same.
CREATE TABLE journal_objects (
    sequence  INTEGER PRIMARY KEY CHECK (sequence > 0),
    key       TEXT    NOT NULL UNIQUE,
    content   BLOB    NOT NULL
) STRICT;

CREATE TABLE journal_head (
    catalog      BLOB    PRIMARY KEY CHECK (length(catalog) = 16),  -- drawn once: whose journal this is; the only row
    sequence     INTEGER NOT NULL CHECK (sequence >= 0),
    sha256       BLOB    NOT NULL CHECK (length(sha256) = 32),      -- of the last object; zeros before the first
    composed_us  INTEGER NOT NULL
) STRICT;

INSERT INTO journal_head (catalog, sequence, sha256, composed_us) VALUES (randomblob(16), 0, zeroblob(32), 0);

CREATE TRIGGER sites_insert AFTER INSERT ON sites BEGIN
    INSERT INTO outbox (noun, id) VALUES ('site', NEW.id);
END;
CREATE TRIGGER sites_update AFTER UPDATE ON sites BEGIN
    INSERT INTO outbox (noun, id) VALUES ('site', NEW.id);
END;
CREATE TRIGGER sites_delete AFTER DELETE ON sites BEGIN
    INSERT INTO outbox (noun, id) VALUES ('site', OLD.id);
END;

CREATE TRIGGER policies_insert AFTER INSERT ON policies BEGIN
    INSERT INTO outbox (noun, name) VALUES ('policy', NEW.name);
END;
CREATE TRIGGER policies_update AFTER UPDATE ON policies BEGIN
    INSERT INTO outbox (noun, name) VALUES ('policy', NEW.name);
END;
CREATE TRIGGER policies_delete AFTER DELETE ON policies BEGIN
    INSERT INTO outbox (noun, name) VALUES ('policy', OLD.name);
END;

CREATE TRIGGER cameras_insert AFTER INSERT ON cameras BEGIN
    INSERT INTO outbox (noun, id) VALUES ('camera', NEW.id);
END;
CREATE TRIGGER cameras_update AFTER UPDATE ON cameras BEGIN
    INSERT INTO outbox (noun, id) VALUES ('camera', NEW.id);
END;
CREATE TRIGGER cameras_delete AFTER DELETE ON cameras BEGIN
    INSERT INTO outbox (noun, id) VALUES ('camera', OLD.id);
END;

-- How far a stream's holes are declared moves with every segment, and follows from segments and gaps: it is not told.
CREATE TRIGGER streams_insert AFTER INSERT ON streams BEGIN
    INSERT INTO outbox (noun, id) VALUES ('stream', NEW.id);
END;
CREATE TRIGGER streams_update AFTER UPDATE OF camera, epoch, expected_since_us ON streams BEGIN
    INSERT INTO outbox (noun, id) VALUES ('stream', NEW.id);
END;

CREATE TRIGGER gaps_insert AFTER INSERT ON gaps BEGIN
    INSERT INTO outbox (noun, id, start_us) VALUES ('gap', NEW.stream, NEW.start_us);
END;
CREATE TRIGGER gaps_update AFTER UPDATE ON gaps BEGIN
    INSERT INTO outbox (noun, id, start_us) VALUES ('gap', OLD.stream, OLD.start_us);
    INSERT INTO outbox (noun, id, start_us) VALUES ('gap', NEW.stream, NEW.start_us);
END;
CREATE TRIGGER gaps_delete AFTER DELETE ON gaps BEGIN
    INSERT INTO outbox (noun, id, start_us) VALUES ('gap', OLD.stream, OLD.start_us);
END;

CREATE TRIGGER tombstones_insert AFTER INSERT ON tombstones BEGIN
    INSERT INTO outbox (noun, id) VALUES ('tombstone', NEW.id);
END;

-- A segment whose object is lost is the one thing about segments that their objects cannot tell.
CREATE TRIGGER segments_missing AFTER UPDATE OF state ON segments
WHEN (NEW.state = 'missing') <> (OLD.state = 'missing') BEGIN
    INSERT INTO outbox (noun, id) VALUES ('missing', NEW.id);
END;

CREATE TRIGGER runs_insert AFTER INSERT ON runs BEGIN
    INSERT INTO outbox (noun, run) VALUES ('run', NEW.run);
END;
CREATE TRIGGER runs_update AFTER UPDATE ON runs BEGIN
    INSERT INTO outbox (noun, run) VALUES ('run', NEW.run);
END;

CREATE TRIGGER run_streams_insert AFTER INSERT ON run_streams BEGIN
    INSERT INTO outbox (noun, id, run) VALUES ('run_stream', NEW.stream, NEW.run);
END;

-- Where spans start is in the segments.
CREATE TRIGGER events_insert AFTER INSERT ON events WHEN NEW.kind <> 'span_start' BEGIN
    INSERT INTO outbox (noun, event) VALUES ('event', NEW.number);
END;

-- What there is already.
INSERT INTO outbox (noun, id) SELECT 'site', id FROM sites;
INSERT INTO outbox (noun, name) SELECT 'policy', name FROM policies;
INSERT INTO outbox (noun, id) SELECT 'stream', id FROM streams;
INSERT INTO outbox (noun, id) SELECT 'camera', id FROM cameras;
INSERT INTO outbox (noun, run) SELECT 'run', run FROM runs;
INSERT INTO outbox (noun, id, run) SELECT 'run_stream', stream, run FROM run_streams;
INSERT INTO outbox (noun, id, start_us) SELECT 'gap', stream, start_us FROM gaps;
INSERT INTO outbox (noun, event) SELECT 'event', number FROM events WHERE kind <> 'span_start';
INSERT INTO outbox (noun, id) SELECT 'tombstone', id FROM tombstones;
INSERT INTO outbox (noun, id) SELECT 'missing', id FROM segments WHERE state = 'missing';
