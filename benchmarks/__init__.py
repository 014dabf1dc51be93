"""Measurements: one file per question. benchmarks/README.md has the figures, results/ all their samples.

The questions
    ingest      CPU, memory and syscalls per camera, beside ffmpeg and PyAV per camera and the raw copy
    kernel      the receive path alone: nanoseconds per packet
    durability  ways to sync a round of fragments, and the spool's commit path
    ship        spool to object store to catalog
    whole_path  cameras to an S3 server and a PostgreSQL, by process
    catalog     what the catalog answers and takes in, by how much is in it
    catalog_postgres  the same of a PostgreSQL with 20 million segments
    retrieval   what an operator waits for, alone and in a crowd, and what recording feels of it
    simulator   what the simulated cameras cost themselves
    simulated_city  the same for the cameras of examples/boras.yaml, over TCP and UDP

The frame
    question    a benchmark as a program           report      tables, budgets, notes: printed and as JSON
    spread      samples of one figure              plot        one SVG
    children    processes, started and ended       measuring   what they use, from /proc
    machine     where it was measured              readme      figures into README.md
    syscalls    counted by perf                    reader      reads cameras and looks at nothing

Parts of questions
    ingest: ingest_ways the ways, ingest_report what they come to, raw_copy and pyav_threads recorders as programs,
            orders how those are told what to record
    durability: spool_load a fleet on the real spool        ship: spool_stock sealed segments to ship

What is measured
    city        makes the big catalogs that are asked: city_rows what is in them, city_minutes fragment indexes,
                city_film a real segment behind the days that can be played, city_guest leaves them as they were
    viewers     people who watch and export        live_cameras  cameras recorded meanwhile
    http_reader a client that notes first bytes
"""
