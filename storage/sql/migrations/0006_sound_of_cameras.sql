-- Whether a camera's sound is recorded: not, unless its configuration says so.

ALTER TABLE cameras ADD COLUMN audio INTEGER NOT NULL DEFAULT 0 CHECK (audio IN (0, 1));
