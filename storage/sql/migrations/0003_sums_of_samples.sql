-- What an exact mp4 must know of a sample table before its first byte, in the row: a day is then one walk over
-- neighbouring rows, and not 1440 tables of 6 to 18 KB from all over the file. NULL: registered by an earlier version,
-- and read from the table as before.
--
-- No CHECKs: SQLite would try each on every row there is, which is minutes with 20 million of them, before a start.

ALTER TABLE segments ADD COLUMN payload_bytes INTEGER;              -- of all samples
ALTER TABLE segments ADD COLUMN duration_runs INTEGER;              -- of all but the last sample
ALTER TABLE segments ADD COLUMN offset_runs INTEGER;
ALTER TABLE segments ADD COLUMN least_offset_ticks INTEGER;
ALTER TABLE segments ADD COLUMN last_sample_ticks INTEGER;          -- since the first one
