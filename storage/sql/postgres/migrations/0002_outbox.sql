-- Changes on their way into journal objects of the object store (docs/formats/catalog-journal.md), as in the embedded
-- catalog: triggers write the marks, in the transaction of the change, whichever statement makes it.

CREATE TABLE outbox (
    number    bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    noun      text    NOT NULL,
    id        uuid,                                                 -- its own, or its stream's
    name      text,                                                 -- of a policy
    start_us  bigint,                                               -- of a gap
    run       bigint,
    event     bigint                                                -- the number of one
);

-- Composed and not yet known to be written. Its bytes are kept until then, so that whoever tries again writes the same.
CREATE TABLE journal_objects (
    sequence  bigint  PRIMARY KEY CHECK (sequence > 0),
    key       text    NOT NULL UNIQUE,
    content   bytea   NOT NULL
);

CREATE TABLE journal_head (
    catalog      uuid    PRIMARY KEY,                               -- drawn once: whose journal this is; the only row
    sequence     bigint  NOT NULL CHECK (sequence >= 0),
    sha256       bytea   NOT NULL CHECK (length(sha256) = 32),      -- of the last object; zeros before the first
    composed_us  bigint  NOT NULL
);

INSERT INTO journal_head (catalog, sequence, sha256, composed_us)
VALUES (gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'), 0);

-- A tombstone is told by its id.
CREATE UNIQUE INDEX tombstones_id ON tombstones (id);

CREATE FUNCTION tell_site() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id) VALUES ('site', coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON sites FOR EACH ROW EXECUTE FUNCTION tell_site();

CREATE FUNCTION tell_policy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, name) VALUES ('policy', coalesce(NEW.name, OLD.name));
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON policies FOR EACH ROW EXECUTE FUNCTION tell_policy();

CREATE FUNCTION tell_camera() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id) VALUES ('camera', coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON cameras FOR EACH ROW EXECUTE FUNCTION tell_camera();

-- How far a stream's holes are declared moves with every segment, and follows from segments and gaps: it is not told.
CREATE FUNCTION tell_stream() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id) VALUES ('stream', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OF camera, epoch, expected_since_us ON streams
    FOR EACH ROW EXECUTE FUNCTION tell_stream();

CREATE FUNCTION tell_gap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO outbox (noun, id, start_us) VALUES ('gap', OLD.stream, OLD.start_us);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO outbox (noun, id, start_us) VALUES ('gap', NEW.stream, NEW.start_us);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON gaps FOR EACH ROW EXECUTE FUNCTION tell_gap();

CREATE FUNCTION tell_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id) VALUES ('tombstone', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT ON tombstones FOR EACH ROW EXECUTE FUNCTION tell_tombstone();

-- A segment whose object is lost is the one thing about segments that their objects cannot tell.
CREATE FUNCTION tell_missing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id) VALUES ('missing', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER UPDATE OF state ON segments FOR EACH ROW
    WHEN ((NEW.state = 'missing') <> (OLD.state = 'missing')) EXECUTE FUNCTION tell_missing();

CREATE FUNCTION tell_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, run) VALUES ('run', NEW.run);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT OR UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION tell_run();

CREATE FUNCTION tell_run_stream() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, id, run) VALUES ('run_stream', NEW.stream, NEW.run);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT ON run_streams FOR EACH ROW EXECUTE FUNCTION tell_run_stream();

-- Where spans start is in the segments.
CREATE FUNCTION tell_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO outbox (noun, event) VALUES ('event', NEW.number);
    RETURN NULL;
END $$;
CREATE TRIGGER told AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.kind <> 'span_start') EXECUTE FUNCTION tell_event();
