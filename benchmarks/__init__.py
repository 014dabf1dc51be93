"""Measurements: one file per question. benchmarks/README.md has the figures, results/ all their samples.

The questions
    ingest      CPU, memory and syscalls per camera, beside ffmpeg and PyAV per camera and the raw copy
    kernel      the receive path alone: nanoseconds per packet
    durability  ways to sync a round of fragments, and the spool's commit path
    ship        spool to object store to catalog
    playback    a day's timeline, the first byte of a 24 h mp4
    simulator   what the simulated cameras cost themselves

The frame
    question    a benchmark as a program           report      tables, budgets, notes: printed and as JSON
    spread      samples of one figure              plot        one SVG
    children    processes, started and ended       measuring   what they use, from /proc
    machine     where it was measured              readme      figures into README.md

    city        makes the big catalogs that are asked: city_rows what is in them, city_minutes fragment indexes,
                city_film a real segment behind the days that can be played
"""
