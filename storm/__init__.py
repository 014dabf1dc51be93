"""The storm: a fleet of simulated cameras, the product, faults and kills, and a verdict (`hulta storm`, docs/storm.md).

What is to be done
    plan            the fleet, the script, how long        disk           whether there is room for it

Carrying it out
    rig             from beginning to end                  system         simulator and product as processes
    processes       started, found, signalled              strikes        kills, pauses, faults of links when due
    links           to the object store and the database, through proxies
    announcements   what is called durable meanwhile       waiting        bounded, ended by Ctrl-C at once
    spool_disk      of the spool alone, to be filled

Collecting the evidence, from outside
    api             the public HTTP API                    logs           the simulator's two logs
    evidence        what the API gives back                footage        down to each frame's mark, hash and link
    sound           which frame of sound is which
    listing         the object store                       examination    one camera, in a process of its own

The verdict: pure functions
    facts           S, A, R, G, faults and kills           camera_time    when a camera took a frame
    costs           what each fault may cost               outages        when a camera could not be recorded
    case            the evidence as the rules ask it       verdict        the rules, all of them
    rules_loss      what did not come back                 rules_frames   what did
    rules_spans     what is called recorded                rules_sound    what was heard
    rules_whole     about all cameras together
    figures         the numbers, with their units          result         for people and for programs
    page            the same with plots, as HTML           page_plots     as SVG
    page_style      by day and by night

Faulty links to the object store and the database (docs/fault-proxy.md)
    proxy           FaultProxy: a TCP proxy in a thread    proxy_faults   what a link can suffer
    proxy_relay     it, inside an event loop               proxy_door     lets in, refuses or ignores who comes
    proxy_connection  two sockets, and what is between     proxy_wire     latency, bandwidth, and the bound on both

What holds
    1. It knows `simulator` and `media` and nothing else of the product: it judges by the API, `hulta check`, the
       simulator's logs and a listing of the object store. A checker that asks the product agrees with its defects.
    2. A rule is a sentence of the promise. It never passes for want of evidence.
    3. It signals only what it started. However it ends, it leaves no process behind.
    4. Memory is bounded by one camera at a time for each examining process, time by the script and the bounds of its
       faults.

Not here: the faults themselves (simulator/faults.py), and the known bugs that prove that a storm can fail
(tests/scenario/seeded/).
"""
