"""A segment's row from its file: one function for shipper, spool reader and check, so that all give one answer.

Everything comes from the commit boxes, so an open file, a recovered one and a sealed one say the same about the
fragments they share. Only the end of the whole may differ: a seal knows it, an open file has its last fragment's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.commit import losses, of_pictures
from media.errors import Mp4Error
from media.flat_mp4 import ChunkTables
from media.fragment_index import FragmentEntry, SoundIndex, encode, encode_with_sound
from media.moof import TRACK_ID
from media.sample_table import split_tables
from storage.model import Segment, SegmentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.commit import Commit
    from media.fmp4_read import SegmentScan, StoredFragment
    from media.sample_table import SampleSums


def segment_from_scan(scan: SegmentScan, size_bytes: int) -> Segment:
    """The row of a sealed file of `size_bytes`, or of the durable part of an open one. Mp4Error without a fragment."""
    commits = of_pictures(scan.commits)
    if not commits:
        raise Mp4Error(f"segment {scan.identity} holds no whole fragment")
    first, last = commits[0], commits[-1]
    return Segment(
        identity=scan.identity,
        span=first.span,
        state=SegmentState.SPOOLED,
        start_us=first.wall_us,
        end_us=scan.end_us,
        media_ticks=first.media_ticks,
        duration_ticks=last.media_ticks + last.duration_ticks - first.media_ticks,
        timescale=scan.track.timescale,
        samples=sum(commit.samples for commit in commits),
        sync_samples=sum(commit.sync_samples for commit in commits),
        lost_packets=losses(scan.commits),
        codec=scan.track.codec,
        width=scan.track.width,
        height=scan.track.height,
        init_bytes=scan.init_bytes,
        size_bytes=scan.valid_bytes if scan.seal is None else size_bytes,
        sha256=None,
        fragments=_index(scan),
        chain=scan.commits[-1].chain,
        sums=None if scan.seal is None else _sums(scan, commits),
    )


def _index(scan: SegmentScan) -> bytes:
    """The fragment index, with the sums of the sound where the file is complete."""
    pictures = [_entry(fragment) for fragment in scan.pictures]
    if scan.sound is None:
        return encode(pictures)
    sound = [fragment for fragment in scan.fragments if fragment.commit.track != TRACK_ID]
    sums = None if scan.seal is None else _sums(scan, [fragment.commit for fragment in sound])
    return encode_with_sound(
        pictures,
        SoundIndex(
            entry=scan.sound.sample_entry[4:8],
            timescale=scan.sound.timescale,
            fragments=[_entry(fragment) for fragment in sound],
            payload_bytes=sum(fragment.data_bytes for fragment in sound),
            duration_runs=0 if sums is None else sums.duration_runs,
            last_sample_ticks=0 if sums is None else sums.last_sample_ticks,
        ),
    )


def _sums(scan: SegmentScan, commits: Sequence[Commit]) -> SampleSums | None:
    """What the sample table of a track adds up to, if it is about the same samples as the track's commit boxes."""
    if not commits:
        return None
    try:
        pictures, sound = split_tables(scan.samples)
        tables = ChunkTables(pictures if commits[0].track == TRACK_ID else sound)
    except Mp4Error:
        return None
    agree = tables.counts.samples == sum(commit.samples for commit in commits)
    return tables.sums if agree and tables.counts.sync_samples == sum(c.sync_samples for c in commits) else None


def _entry(fragment: StoredFragment) -> FragmentEntry:
    commit = fragment.commit
    return FragmentEntry(
        offset=commit.offset,
        length=commit.length,
        data_offset=fragment.data_offset,
        media_ticks=commit.media_ticks,
        duration_ticks=commit.duration_ticks,
        wall_us=commit.wall_us,
        end_wall_us=commit.end_wall_us,
        samples=commit.samples,
        sync_samples=commit.sync_samples,
        starts_with_sync=commit.starts_with_sync,
        lost_packets=commit.lost_packets,
    )
