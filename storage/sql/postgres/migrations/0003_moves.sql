-- How far the move of an embedded catalog into this one has come (storage/catalog_move.py).

ALTER TABLE catalog ADD COLUMN is_whole boolean NOT NULL DEFAULT true;  -- false: a move was begun and not finished

CREATE TABLE moves (
    noun      text    PRIMARY KEY,                                  -- a table
    last_key  json    NOT NULL,                                     -- of the last row that was moved and read back
    rows      bigint  NOT NULL
);
