"""Measurements: what recording, durability, playback and the simulator cost. benchmarks/README.md has the figures.

ingest      CPU and memory per camera, beside ffmpeg per camera and the raw copy
kernel      the receive path alone: nanoseconds per packet
durability  ways to sync a round of fragments, and the spool's commit path
playback    a day's timeline, the first byte of a 24 h mp4
simulator   what the simulated cameras cost themselves

city        makes the big catalogs that are asked: city_rows what is in them, city_minutes fragment indexes, city_film
            a real segment behind the days that can be played
"""
