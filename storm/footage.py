"""Footage read back: segment files down to each frame's mark, and the frames of a `video.mp4`.

Hashes and links are computed here again; the product's own scan is only used to find the commit boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import av

from media.commit import ZERO_CHAIN, link
from media.errors import MediaError
from media.fmp4_read import fragment_samples, scan
from media.moof import TRACK_ID
from simulator.codecs import codec_of_entry, codec_of_libav
from simulator.oracle import camera_uuid
from storm.facts import EDGE_US, UNKNOWN, Fragment, FragmentId, Seen
from storm.sound import read_sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from media.commit import Commit
    from media.fmp4_read import StoredFragment
    from media.track import Track
    from simulator.codec import Codec
    from storm.facts import Interval
    from storm.sound import SoundFragment

MDAT_HEADER_BYTES = 8


@dataclass(slots=True, kw_only=True)
class Footage:
    """The segments of one camera, read whole."""

    fragments: dict[FragmentId, Fragment] = field(default_factory=dict)
    sounds: dict[FragmentId, SoundFragment] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    segments: set[UUID] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def add(self, content: bytes, camera: str) -> None:
        """One segment file. A fault in it is a complaint."""
        try:
            self._add(content, camera)
        except MediaError as error:
            self.complaints.append(f"a segment is not readable: {error}")

    def _add(self, content: bytes, camera: str) -> None:
        scanned = scan(lambda offset, length: content[offset : offset + length], len(content), verify=True)
        self.segments.add(scanned.identity.segment_id)
        self.complaints += [f"segment {scanned.identity}: {fault}" for fault in scanned.faults]
        if scanned.torn:
            self.complaints.append(f"segment {scanned.identity} holds torn bytes at {scanned.torn}")
        for stored in scanned.fragments:
            commit = stored.commit
            self.commits.append(commit)
            if commit.track != TRACK_ID:
                self._add_sound(content, stored, scanned.sound)
                continue
            frames = tuple(fragment_frames(content, stored, camera, scanned.track))
            verified = _is_verified(content, commit) and len(frames) == commit.samples
            key = _key(commit)
            self.fragments[key] = Fragment(frames, commit.wall_us, commit.end_wall_us, verified, commit.lost_packets)

    def _add_sound(self, content: bytes, stored: StoredFragment, track: Track | None) -> None:
        key = _key(stored.commit)
        if track is None:
            self.complaints.append(f"fragment {key} is sound in a file without a track of it")
            return
        self.sounds[key] = read_sound(content, stored, track)
        if not _is_verified(content, stored.commit) or len(self.sounds[key].frames) != stored.commit.samples:
            self.complaints.append(f"fragment {key} of sound does not fit its SHA-256")

    def finish(self, given_up: Sequence[Interval] = ()) -> None:
        """When all segments are there: what can only be said of them together. `given_up` is declared to be gone."""
        self.complaints += chain_complaints(self.commits, given_up)
        self.complaints += repetitions(self.fragments)
        self.commits.clear()


def _key(commit: Commit) -> FragmentId:
    identity = commit.identity
    return FragmentId(identity.run, identity.epoch, identity.sequence, commit.fragment)


def _is_verified(content: bytes, commit: Commit) -> bool:
    return sha256(content[commit.offset : commit.offset + commit.length]).digest() == commit.sha256


def fragment_frames(content: bytes, stored: StoredFragment, camera: str, track: Track) -> Iterator[Seen]:
    """The samples of a fragment, each with its mark, its hash and its wall time."""
    commit, codec = stored.commit, codec_of_entry(track.sample_entry)
    decode_ticks, samples = fragment_samples(content[commit.offset : stored.data_offset - MDAT_HEADER_BYTES])
    position = stored.data_offset
    for sample in samples:
        ticks = decode_ticks + sample.composition_offset_ticks - commit.media_ticks
        wall_us = commit.wall_us + ticks * 1_000_000 // track.timescale
        number, crc32, intact = read_mark(codec, content[position : position + sample.size_bytes], camera)
        yield Seen(number, wall_us, crc32, intact)
        decode_ticks += sample.duration_ticks
        position += sample.size_bytes


def read_mark(codec: Codec, sample: bytes, camera: str) -> tuple[int, int, bool]:
    """Frame number, CRC-32 of the units as they are, and whether mark, camera and CRC agree."""
    mark, crc32 = codec.examine(codec.split(sample))
    if mark is None:
        return UNKNOWN, crc32, False
    return mark.frame, crc32, mark.crc32 == crc32 and mark.camera == camera_uuid(camera)


def read_video(path: Path, camera: str, start_us: int) -> Iterator[Seen]:
    """The frames inside the edit list, as libav's demuxer applies it, in file order; file time 0 is `start_us`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        time_base, codec = stream.time_base, codec_of_libav(stream.codec_context.codec.canonical_name)
        assert time_base is not None
        assert codec is not None
        for packet in container.demux(stream):
            if packet.pts is None or packet.is_discard or packet.pts < 0:
                continue
            number, crc32, intact = read_mark(codec, bytes(packet), camera)
            wall_us = start_us + packet.pts * time_base.numerator * 1_000_000 // time_base.denominator
            yield Seen(number, wall_us, crc32, intact)


def repetitions(fragments: dict[FragmentId, Fragment]) -> Iterator[str]:
    """Frames that are stored twice, or not in their order."""
    where: dict[int, FragmentId] = {}
    for key, fragment in sorted(fragments.items()):
        numbers = [seen.frame for seen in fragment.frames if seen.frame != UNKNOWN]
        if any(two <= one for one, two in pairwise(numbers)):
            yield f"the frames of fragment {key} are repeated or out of order"
        for seen in fragment.frames:
            if seen.frame != UNKNOWN and where.setdefault(seen.frame, key) != key:
                yield f"frame {seen.frame} is in fragment {where[seen.frame]} and in {key}"


def chain_complaints(commits: Iterable[Commit], given_up: Sequence[Interval] = ()) -> Iterator[str]:
    """What is wrong with the chains: a run's fragments are numbered without a hole and linked one to the next.

    Where whole segments were given up, or could not be written to their end, their links are gone with them.
    """
    for run, group in groupby(sorted(commits, key=_place), key=lambda commit: commit.identity.run):
        members = [*group]
        first = members[0]
        whole = _place(first)[1:] == (0, 0) and first.previous == ZERO_CHAIN
        if not whole and not any(gap.start_us < first.wall_us <= gap.end_us + EDGE_US for gap in given_up):
            yield f"run {run:016x} does not begin at its beginning but at {_place(first)[1:]}"
        for before, after in pairwise(members):
            if after.previous == before.chain and _follows(after, before):
                continue
            if before.identity == after.identity or not covers(given_up, before.end_wall_us, after.wall_us):
                yield f"run {run:016x}: {_place(after)[1:]} is not linked to {_place(before)[1:]}"
        for commit in members:
            if link(commit) != commit.chain:
                yield f"run {run:016x}: the link of {_place(commit)[1:]} does not verify"


def covers(intervals: Sequence[Interval], from_us: int, to_us: int) -> bool:
    """Whether nothing between two instants lies outside of all of the intervals."""
    for each in sorted(intervals):
        if each.start_us <= from_us + EDGE_US:
            from_us = max(from_us, each.end_us)
    return from_us >= to_us - EDGE_US


def _place(commit: Commit) -> tuple[int, int, int]:
    return commit.identity.run, commit.identity.sequence, commit.fragment


def _follows(after: Commit, before: Commit) -> bool:
    """Whether a fragment is the next one by its numbers."""
    if after.identity.sequence == before.identity.sequence:
        return after.fragment == before.fragment + 1
    return after.fragment == 0 and after.identity.sequence == before.identity.sequence + 1
