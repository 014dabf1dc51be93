"""Let go: footage stays exactly as long as its policy says, and what went leaves proof.

The map
    policy    what policy says about each segment: pure, with a reason for each decision
    breaker   when to refuse: pure bounds on what a plan may delete, and whether the clock can be trusted
    sweeper   carries plans out, step by step

Not here: what a policy is and where marks, tombstones and states are kept (storage), legal holds (a later package
module; until then nothing can be held), who may see marked footage (playback, server).

The promises
    R1  Nothing is marked before the policy's time, counted from the segment's end.
    R2  What was recorded is gone by `keep_max`, object and row, while `keep` runs.
    R3  Nothing is deleted that was not marked for a while before: an error can be seen and taken back.
    R4  The row says first, the object follows, the tombstone comes last: no row ever promises an object that is gone.
    R5  In doubt (the clock jumped, far more is overdue than can be) nothing is deleted, and the reason is shown.

The procedure, for each stream; each step may be killed and run again (I8)
    1. Finish what an earlier life began: rows that are `purging` go on at step 6.
    2. Trust the clock, or stop here.
    3. Decide about the segments whose time may have come, and about marks that the policy no longer supports.
    4. Ask the breaker; a stream that it refuses is left as it is.
    5. Mark what is due, take back the marks that are not, and let the delay pass: marks are dated, so it goes on
       across restarts.
    6. Recheck under the catalog's lock, `marked` -> `purging`: the point of no return.
    7. Delete the object; one that is not there is success.
    8. `purging` -> tombstone, in one transaction with the row's end.
"""
