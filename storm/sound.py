"""The sound of a camera after a storm: which of the frames it sent each stored one is.

A frame has no mark. It is known by its CRC-32, which repeats with every lap of the camera's sound, and by when it was
heard (simulator/sound.py).
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from media.fmp4_read import fragment_samples
from simulator.sound import LAP_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from media.fmp4_read import StoredFragment
    from media.track import Track
    from storm.facts import Sent

MDAT_HEADER_BYTES = 8


class Heard(NamedTuple):
    """A stored frame of sound: when it begins on the timeline, and the CRC of its bytes."""

    wall_us: int
    crc32: int


class SoundFragment(NamedTuple):
    """A fragment of sound read back, and the packets it says it lacks."""

    frames: tuple[Heard, ...]
    start_us: int
    end_us: int
    lost_packets: int


def read_sound(content: bytes, stored: StoredFragment, track: Track) -> SoundFragment:
    """One fragment of a segment file, whose sound has this track."""
    commit = stored.commit
    ticks, samples = fragment_samples(content[commit.offset : stored.data_offset - MDAT_HEADER_BYTES], commit.track)
    ticks -= commit.media_ticks
    position = stored.data_offset
    frames = []
    for sample in samples:
        wall_us = commit.wall_us + ticks * 1_000_000 // track.timescale
        frames.append(Heard(wall_us, zlib.crc32(content[position : position + sample.size_bytes])))
        position, ticks = position + sample.size_bytes, ticks + sample.duration_ticks
    return SoundFragment(tuple(frames), commit.wall_us, commit.end_wall_us, commit.lost_packets)


def numbers(frames: Sequence[Heard], sent: Sequence[Sent]) -> Iterator[int | None]:
    """The number of each stored frame; None for one that was not sent in that lap."""
    known: dict[int, dict[int, int]] = defaultdict(dict)
    for each in sent:
        known[each.crc32][each.frame] = each.sent_us
    for heard in frames:
        laps = known.get(heard.crc32, {})
        number = min(laps, key=lambda frame: abs(laps[frame] - heard.wall_us), default=None)
        near = number is not None and abs(laps[number] - heard.wall_us) < LAP_US // 2
        yield number if near else None
