-- A segment whose object was missing when it was marked is missing again when the mark is taken back (I1).

ALTER TABLE segments ADD COLUMN was_missing INTEGER NOT NULL DEFAULT 0 CHECK (was_missing IN (0, 1));
