"""Keep: everything between a closed fragment and an object that is safe, and the catalog of what exists.

The map
    layout      where things are under the data directory        files       every file operation of this package
    spool       append, seal, group commit                       journal     what a run observed beside its footage
    group_commit  one commit for all cameras of a disk           commit_file one file of it, never retried
    recovery    seal what a dead run left open                   quarantine  what recovery takes out of the spool
    durable_names  a name made durable where directories lose them
    store_ownership whose object store it is
    spool_identity  whose disk a spool is on                     spool_ownership  and whether it may be used
    spool_probe what its disk can do
    spool_room  how full its disk is, and what follows           spool_relief    the ladder, at work
    spool_forecast  when it will be full
    spool_runs  which runs there are, and which live             growing_segment  an open file, scanned as it grows
    spool_reader  the newest minute, for playback
    model       rows as values                                   segment_row a segment's row from its file
    catalog     the port: inventory, footage, gaps, expiry       statements  sql/<noun>.sql by name, and the migrations
    inventory_plan  what `apply` changes, pure                   gap_ledger  the gap rules, pure
    coverage    interval arithmetic, pure                        audit       are the invariants true of a stream? pure
    declaration  when a hole is declared, pure                   journal_import  what a journal's record changes, pure
    rows        rows to values and back                          camera_row  a camera's, its URL sealed
    objects     the port of the object store                     directory_store  a local directory as one
    shipper     spool -> object store -> catalog: its loop       run_directory  a run as the shipper sees it
    intake      runs into the catalog                            uploads     segments into the object store
    catalog_journal  the catalog's changes as objects (I6): the format; catalog_journal_rows what is told of a row,
                catalog_journal_writer when, catalog_journal_reader back again, catalog_journal_check is it whole
    check       audit over all streams, read only                spool_check  of the files in the spool
    secrets     sealing of credentials; key_file: by which key   waiting     for whichever comes first
    unix_address  of sockets whose path is long
    clock       the time, and the only place to ask for it

    The embedded catalog, by noun: sqlite_catalog is the whole, sqlite_database threads and transactions, sqlite_schema
    migrations, sqlite_rows its UUIDs; sqlite_inventory, sqlite_footage, sqlite_gaps, sqlite_expiry and sqlite_outbox
    are the parts of the port; sqlite_ledger loads and writes gap ledgers, sqlite_journal keeps a run's book.

    A bucket of an S3 server: s3_store is the whole, s3_address where it is, s3_requests signed requests and when they
    are made again, s3_pace how many uploads at once, s3_capabilities what a server turns out to do, s3_words what is
    wrong, in sentences.

    The catalog of a city, by noun: postgres_catalog is the whole, postgres_address where it is, postgres_database
    connections and transactions, postgres_schema migrations, postgres_days partitions, postgres_rows its UUIDs;
    postgres_inventory, postgres_footage, postgres_gaps, postgres_expiry and postgres_outbox are the parts of the port;
    postgres_ledger loads and writes gap ledgers, postgres_journal keeps a run's book. catalog_move moves an embedded
    catalog there; sqlite_backup copies one.

Not here: what is recorded and when (ingest), what may be deleted (retention), how it is shown (playback).

The invariants (numbers as in docs/architecture.md), and who keeps them here
    I1  A row `stored` implies an object of that size and hash, or it is flagged `missing`.   shipper, check
    I2  Every closed segment is in exactly one state.                                         catalog
    I3  A spool copy is removed only after `stored` was read back and the object verified.    shipper
    I4  Every instant since a camera was enabled is footage, a gap with a reason, expired,
        missing or pending.                                                                   gap_ledger, catalog, check
    I6  Objects are immutable and self-describing; the catalog's own changes are objects.      objects, segment_row,
                                                                                              catalog_journal
    I7  Every queue, buffer, file, retry and loop has a bound.                                group_commit, shipper
    I8  Any step may be killed and run again.                                                 all of it

How a segment travels (each step may be killed and repeated)
    1. `record` seals the file: samples and seal box, fdatasync, rename, fsync of the directory.
    2. List what is sealed, import the journal, register what was listed as `spooled`. The recorder writes a record
       before the footage that follows it is sealed, so the gaps around a segment are known when it is; they give way
       to footage in the transaction that registers it.
    3. Intent: `uploading`. From here on the object may exist.
    4. Hash the file, put it under its key (created, never overwritten), ask the store for its size.
    5. `stored`, with the hash.
    6. Read `stored` back, ask the store once more, then unlink the spool copy.

How a dead run is settled (oldest run first, because a start declares everything before it)
    1. Take its lock: only a dead run's can be taken.
    2. Recover: torn tails to quarantine, truncate, seal, rename.
    3. Import the rest of its journal, register its segments.
    4. Settle: every hole becomes a gap; what follows its last instant is a gap without end, until a run starts.
    5. Once all its segments are stored and its spool copies gone, remove the directory.

What is out of order never stops the rest: a file, a segment or a run in trouble is told in the status and tried again.
"""
