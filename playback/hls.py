"""HLS playlists (RFC 8216 and its second edition): byte ranges into the segments' own files, nothing repackaged.

A media segment is a group of fragments that begins with a sync sample and lasts GROUP_US or a little longer, with the
sound behind each. Each span has its own clock, so it begins with a discontinuity and its own init section. Of a segment
with sound that browsers refuse (G.711), the entries are ranges of its pictures alone (`playback.pictures_file`).

Where time is missing between spans stands one entry marked EXT-X-GAP. It lasts a second however long the gap is: the
dates around it tell the truth, and a player neither waits an hour nor asks for an hour of nothing. Players that do not
know the mark load the entry and find the next span's init section: harmless, and VLC 3, which forgets the init section
at a discontinuity, needs it. Where no time is missing, the first entry of a span includes it for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from media.fragment_index import columns
from playback.pictures_file import lay_out_segment
from playback.slices import follows
from playback.timerange import SECOND_US, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from storage.model import Segment

    Address = Callable[[Segment, str], str]
    """Where a client gets a segment's file, or with a query the part of it that this asks for."""

GROUP_US = 4 * SECOND_US
"""A day is then 21600 entries, and a second of video from a click away is one request."""

TARGET_SECONDS = 8
"""No entry is longer if a sync sample comes every 4 s or sooner. It may not change while a playlist grows."""

_GAP_SECONDS = "1.000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSegment:
    """Consecutive fragments of one file, decodable without what is before them."""

    segment: Segment
    uri: str
    init_bytes: int
    offset: int
    end: int
    start_us: int
    end_us: int
    duration_ticks: int

    @property
    def duration_us(self) -> int:
        """How long it plays."""
        return self.duration_ticks * SECOND_US // self.segment.timescale


def write_playlist(
    segments: Sequence[Segment], *, from_us: int, to_us: int, address: Address, ended: bool, settled: bool
) -> str:
    """The playlist of a range; an empty text if nothing in it can be played yet.

    `ended`: the range lies in the past as a whole, and the playlist will never change. Otherwise entries are added to
    its end (EVENT). `settled`: no more is to come of the last segment; otherwise its last group is still growing and
    is left out, because an entry may not change once it was published. `address` is asked once for each segment.
    """
    entries = [
        entry for entry in media_segments(segments, address, to_us=to_us, settled=settled) if entry.end_us > from_us
    ]
    if not entries:
        return ""
    longest_us = max(entry.duration_us for entry in entries)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(TARGET_SECONDS, (longest_us + SECOND_US // 2) // SECOND_US)}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if ended else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-START:TIME-OFFSET={_seconds(max(0, from_us - entries[0].start_us))},PRECISE=YES",
    ]
    before: MediaSegment | None = None
    for entry in entries:
        lines += _lines(entry, before)
        before = entry
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""])


def media_segments(
    segments: Sequence[Segment], address: Address, *, to_us: int, settled: bool
) -> Iterator[MediaSegment]:
    """The groups of all segments, in order, up to the fragment that holds the last instant before `to_us`."""
    for number, segment in enumerate(segments, start=1):
        groups = _groups(segment, address, to_us)
        yield from groups if settled or number < len(segments) else groups[:-1]


def _groups(segment: Segment, address: Address, to_us: int) -> list[MediaSegment]:
    index = columns(segment.fragments)
    fragments = int(np.count_nonzero(index.wall_us < to_us))
    starts_us = index.wall_us.tolist()
    layout = lay_out_segment(segment)
    uri = address(segment, layout.query)
    firsts = [0] if fragments else []
    for fragment in np.flatnonzero(index.starts_with_sync[:fragments]).tolist():
        if starts_us[fragment] - starts_us[firsts[-1]] >= GROUP_US:
            firsts.append(fragment)
    return [
        MediaSegment(
            segment=segment,
            uri=uri,
            init_bytes=layout.init_bytes,
            offset=int(layout.offsets[first]),
            end=int(layout.ends[last]),
            start_us=starts_us[first],
            end_us=int(index.end_wall_us[last]),
            duration_ticks=int(index.media_ticks[last] + index.duration_ticks[last] - index.media_ticks[first]),
        )
        for first, last in zip(firsts, [following - 1 for following in (*firsts[1:], fragments)], strict=True)
    ]


def _lines(entry: MediaSegment, before: MediaSegment | None) -> Iterator[str]:
    offset = entry.offset
    if before is None:
        yield _map(entry)
    elif entry.segment is not before.segment and not follows(entry.segment, before.segment):
        yield "#EXT-X-DISCONTINUITY"
        yield _map(entry)
        if entry.start_us > before.end_us:
            yield from _gap(entry, before)
        else:
            offset = 0
    if before is None or entry.segment is not before.segment:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{format_instant(entry.start_us)}"
    yield f"#EXTINF:{_seconds(entry.duration_us)},"
    yield f"#EXT-X-BYTERANGE:{entry.end - offset}@{offset}"
    yield entry.uri


def _map(entry: MediaSegment) -> str:
    return f'#EXT-X-MAP:URI="{entry.uri}",BYTERANGE="{entry.init_bytes}@0"'


def _gap(entry: MediaSegment, before: MediaSegment) -> Iterator[str]:
    yield "#EXT-X-GAP"
    yield f"#EXT-X-PROGRAM-DATE-TIME:{format_instant(before.end_us)}"
    yield f"#EXTINF:{_GAP_SECONDS},"
    yield f"#EXT-X-BYTERANGE:{entry.init_bytes}@0"
    yield entry.uri


def _seconds(microseconds: int) -> str:
    return f"{microseconds // SECOND_US}.{microseconds % SECOND_US:06}"
