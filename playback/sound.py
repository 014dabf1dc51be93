"""The sound that goes with slices of pictures: which of its samples, and where they lie in the time of one file.

Pictures decide what a file shows; sound is what was heard meanwhile. In a span both count from the same instant, so a
frame of sound belongs to the pictures that its own time says. Where the pictures of a span begin or end in the file,
the sound does: a frame that began before the first one is cut short by the edit list, elsewhere it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from media.audio_description import PLAYED_EVERYWHERE
from media.flat_mp4 import Chunk, ChunkTables, FlatSound
from media.fragment_index import decode_sound
from media.sample_table import SampleSums, SampleTable
from playback.footage import BATCH
from playback.slices import cut_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.fragment_index import SoundIndex
    from media.track import Track
    from playback.file_time import FileTime
    from playback.footage import MergedFootage
    from playback.slices import Slice
    from storage.model import Segment

_LONGEST_SAMPLE_TICKS = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSlice:
    """Samples `first` to `stop` of the sound of a segment. Times count from the start of the span."""

    number: int  # of the slice of pictures it goes with
    segment: Segment
    track: Track
    first: int
    stop: int
    first_ticks: int
    last_ticks: int  # of sample `stop - 1`
    end_ticks: int
    sums: SampleSums


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSound:
    """Slices of sound, and how they follow each other in a file."""

    slices: tuple[SoundSlice, ...]
    last_durations: tuple[int, ...]  # of the last sample of each slice
    track: FlatSound


async def sound_of(
    footage: MergedFootage, slices: Sequence[Slice], tracks: Sequence[Track | None], *, original: bool
) -> list[SoundSlice]:
    """What is heard in these slices, whose segments have these tracks of sound.

    Without `original`, only what every player plays. Sound on another clock than the first is left out: a track of a
    file has one.
    """
    found: list[SoundSlice] = []
    timescale = next((track.timescale for track in tracks if track and _is_played(track, original=original)), 0)
    for start in range(0, len(slices), BATCH):
        numbers = [
            number
            for number in range(start, min(start + BATCH, len(slices)))
            if _wanted(tracks[number], timescale, original=original)
        ]
        to_read = [number for number in numbers if not _is_whole(slices, number)]
        tables = await footage.both_tables([slices[number].segment for number in to_read]) if to_read else []
        read = dict(zip(to_read, tables, strict=True))
        for number in numbers:
            part, track = slices[number], tracks[number]
            index = decode_sound(part.segment.fragments)
            if track is None or index is None or not index.samples:
                continue
            table = read[number][1] if number in read else None
            cut = _whole(index) if table is None else _cut(slices, number, index, table)
            if cut is not None:
                found.append(_slice(number, part.segment, track, index, cut, table))
    return found


def place(sounds: Sequence[SoundSlice], slices: Sequence[Slice], time: FileTime) -> PlacedSound:
    """Where these, at least one, lie in a file whose pictures have this time."""
    movie_scale, timescale = slices[0].segment.timescale, sounds[0].track.timescale
    due = _due(sounds, slices, time, movie_scale, timescale)
    at = due[0]
    durations = []
    for sound, following in zip(sounds, [*due[1:], None], strict=True):
        inner = sound.last_ticks - sound.first_ticks
        wanted = sound.end_ticks - sound.last_ticks if following is None else following - at - inner
        durations.append(min(max(wanted, 1), _LONGEST_SAMPLE_TICKS))
        at += inner + durations[-1]
    shown_ticks = sum(edit.end_ticks - edit.start_ticks for edit in time.edits)
    silence, skipped = max(0, due[0]) * movie_scale // timescale, max(0, -due[0])
    heard = min(shown_ticks - silence, (at - max(0, due[0])) * movie_scale // timescale)
    entries = tuple(dict.fromkeys(sound.track.sample_entry for sound in sounds))
    track = FlatSound(
        timescale=timescale,
        sample_entries=entries,
        chunks=tuple(
            Chunk.of(each.stop - each.first, 0, each.sums, entries.index(each.track.sample_entry)) for each in sounds
        ),
        follows=tuple(sound.number for sound in sounds),
        media_ticks=at - due[0],
        silence_ticks=silence,
        skipped_ticks=skipped,
        heard_ticks=max(1, heard),
    )
    return PlacedSound(slices=tuple(sounds), last_durations=tuple(durations), track=track)


def left_out(slices: Sequence[Slice], tracks: Sequence[Track | None], sounds: Sequence[SoundSlice]) -> tuple[str, ...]:
    """Which kinds of sound the segments of these slices have and a file with `sounds` has not, for people."""
    taken = {sound.track for sound in sounds}
    absent = (track for part, track in zip(slices, tracks, strict=True) if track and _is_heard(part.segment))
    return tuple(dict.fromkeys(kind_of(track) for track in absent if track not in taken))


def kind_of(track: Track) -> str:
    """A kind of sound: codec and clock rate, "opus/48000"."""
    return f"{track.codec}/{track.timescale}"


def _is_heard(segment: Segment) -> bool:
    index = decode_sound(segment.fragments)
    return index is not None and index.samples > 0


def _due(
    sounds: Sequence[SoundSlice], slices: Sequence[Slice], time: FileTime, movie_scale: int, timescale: int
) -> list[int]:
    """Where each of them begins in the presentation, in its own ticks; before 0 for what began before the file."""
    origins = []
    for number, part in enumerate(slices):
        if not number or not part.continues(slices[number - 1]):
            origin = (time.shown_at_ticks[number] - part.shown_ticks) * timescale // movie_scale
        origins.append(origin)
    return [sound.first_ticks + origins[sound.number] for sound in sounds]


def _wanted(track: Track | None, timescale: int, *, original: bool) -> bool:
    return track is not None and track.timescale == timescale and _is_played(track, original=original)


def _is_played(track: Track, *, original: bool) -> bool:
    return original or track.sample_entry[4:8] in PLAYED_EVERYWHERE


def _begins(slices: Sequence[Slice], number: int) -> bool:
    return number == 0 or not slices[number].continues(slices[number - 1])


def _is_whole(slices: Sequence[Slice], number: int) -> bool:
    """Whether all sound of a segment is in the file, as far as its index tells without its table."""
    last = number + 1 == len(slices)
    if _begins(slices, number) or last or _begins(slices, number + 1):
        return False
    index = decode_sound(slices[number].segment.fragments)
    return index is None or index.duration_runs > 0


def _whole(index: SoundIndex) -> tuple[int, int]:
    return 0, index.samples


def _cut(slices: Sequence[Slice], number: int, index: SoundIndex, encoded: bytes) -> tuple[int, int] | None:
    """The first sample, and the one after the last; None if there is none between."""
    part = slices[number]
    table = SampleTable.decode(encoded)
    starts = table.decode_ticks + index.fragments[0].media_ticks
    first, stop = 0, len(starts)
    if _begins(slices, number):
        low = part.shown_ticks * index.timescale // part.segment.timescale
        times = starts + table.durations if number == 0 else starts - 1
        first = int(np.searchsorted(times, low, side="right" if number == 0 else "left"))
    if number + 1 == len(slices) or _begins(slices, number + 1):
        high = -(-part.shown_end_ticks * index.timescale // part.segment.timescale)
        stop = int(np.searchsorted(starts, high, side="left"))
    return (first, stop) if first < stop else None


def _slice(  # noqa: PLR0917 - a slice of everything it is of
    number: int, segment: Segment, track: Track, index: SoundIndex, cut: tuple[int, int], encoded: bytes | None
) -> SoundSlice:
    first, stop = cut
    base_ticks = index.fragments[0].media_ticks
    if encoded is None:
        sums = SampleSums(index.payload_bytes, index.duration_runs, 1, 0, index.last_sample_ticks)
        first_ticks = base_ticks
        end_ticks = index.fragments[-1].media_ticks + index.fragments[-1].duration_ticks
    else:
        sums = ChunkTables(cut_table(encoded, first, stop)).sums
        table = SampleTable.decode(encoded)
        first_ticks = base_ticks + int(table.decode_ticks[first])
        end_ticks = first_ticks + int(table.durations[first:stop].sum(dtype=np.int64))
    return SoundSlice(
        number=number,
        segment=segment,
        track=track,
        first=first,
        stop=stop,
        first_ticks=first_ticks,
        last_ticks=first_ticks + sums.last_sample_ticks,
        end_ticks=max(end_ticks, first_ticks + sums.last_sample_ticks + 1),
        sums=sums,
    )
