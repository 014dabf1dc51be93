-- A host's clock may go back between two runs: which one followed the other is told by the order, not by the time.

ALTER TABLE runs ADD COLUMN order_us INTEGER;                       -- rises from run to run of a spool; NULL: started_us

UPDATE runs SET order_us = started_us;
