-- What an exact mp4 must know of a sample table before its first byte, in the row: a day is then one walk over
-- neighbouring rows, and not 1440 tables of 6 to 18 KB from all over the file. NULL: registered by an earlier version,
-- and read from the table as before.

ALTER TABLE segments ADD COLUMN payload_bytes INTEGER CHECK (payload_bytes >= 0);           -- of all samples
ALTER TABLE segments ADD COLUMN duration_runs INTEGER CHECK (duration_runs >= 0);           -- without the last sample
ALTER TABLE segments ADD COLUMN offset_runs INTEGER CHECK (offset_runs > 0);
ALTER TABLE segments ADD COLUMN least_offset_ticks INTEGER;
ALTER TABLE segments ADD COLUMN last_sample_ticks INTEGER CHECK (last_sample_ticks >= 0);   -- since the first one
