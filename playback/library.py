"""The questions that can be asked of the footage, and where their answers come from."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from media.errors import NoFootage, NotFound, UsageError
from media.fragment_index import decode
from playback.calendar import HOUR_US, Calendar, whole_hours
from playback.footage import MergedFootage
from playback.frame import NEIGHBOURHOOD_US, frame_at
from playback.hls import write_playlist
from playback.payload import READ_BYTES
from playback.pictures_file import PicturesFile
from playback.timeline import SHOWN, Evidence, partition
from playback.timerange import DAY_US, SECOND_US, format_instant
from playback.video import lay_out
from storage.model import SegmentState, Stretch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from uuid import UUID

    from playback.frame import Frame
    from playback.timeline import Timeline
    from playback.video import SoundWanted, VideoFile
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.model import Camera, Segment
    from storage.objects import ObjectStore
    from storage.spool_reader import SpoolReader

    Link = Callable[[str], str]

FRAMES_AT_ONCE = 2
"""Pictures decoded at the same time: each takes a core, and recording is on the same host."""

_FIRST_LOOK_US = 3600 * SECOND_US


class Library:
    """Answers from catalog, object store and spool.

    Ranges are those of `timerange`: not empty, and of bounded length. NoFootage where nothing was recorded, RangeError
    for a range that no file can hold, NotFound for an unknown segment, StorageError where catalog, store or spool fail.
    """

    def __init__(
        self, catalog: Catalog, store: ObjectStore, spool: SpoolReader | None, clock: Clock, link: Link | None = None
    ) -> None:
        """`link` gives the URL under which the store itself hands out an object for a while."""
        self._catalog = catalog
        self._link = link
        self._footage = MergedFootage(catalog.footage, store, spool)
        self._clock = clock
        self._decoders = asyncio.Semaphore(FRAMES_AT_ONCE)

    async def timeline(self, camera: Camera, from_us: int, to_us: int) -> Timeline:
        """What is there and what is not, without opening anything stored."""
        stretches = await self._footage.stretches(camera.stream, from_us, to_us)
        inside = [await self._cut(stretch, from_us, to_us) for stretch in stretches]
        return (await self._examine(camera, from_us, to_us, inside))[1]

    async def calendar(self, camera: Camera, from_us: int, to_us: int) -> Calendar:
        """Which hours have footage and which have gaps, of the hours that the range touches."""
        from_us, to_us = whole_hours(from_us, to_us)
        known_us = min(to_us, self._clock.wall_us())
        return Calendar(
            camera=camera.id,
            from_us=from_us,
            to_us=to_us,
            recorded_us=tuple(await self._footage.recorded(camera.stream, from_us, to_us, HOUR_US)),
            gaps_us=tuple(await self._catalog.gaps.lacking(camera.stream, from_us, known_us, HOUR_US)),
        )

    async def video(self, camera: Camera, from_us: int, to_us: int, sound: SoundWanted = "playable") -> VideoFile:
        """One mp4 of exactly the frames presented in `[from_us, to_us)`; of what is durable of them by now."""
        segments = await self._footage.segments(camera.stream, from_us, to_us)
        evidence, timeline = await self._examine(camera, from_us, to_us, segments)
        durable_us = _durable_us(timeline, evidence.now_us)
        layout = await lay_out(self._footage, _shown(segments), from_us, durable_us, sound)
        if not layout.parts:
            raise _nothing(camera, from_us, to_us)
        return layout.file(from_us=from_us, to_us=durable_us, complete=durable_us == to_us)

    async def playlist(self, camera: Camera, from_us: int, to_us: int, url_prefix: str, *, direct: bool = False) -> str:
        """An HLS playlist of the range; `url_prefix` goes before `<segment id>.mp4`.

        With `direct` what is stored is asked of the store itself, as far as its files are played as they are.
        UsageError where this is not offered.
        """
        link = self._link if direct else None
        if direct and link is None:
            raise UsageError("links into the object store are not offered here", hint="see `store.links`")

        def address(segment: Segment, query: str) -> str:
            if link is not None and not query and segment.state is SegmentState.STORED:
                return link(segment.key)
            return f"{url_prefix}{segment.id}.mp4{query}"

        segments = await self._footage.segments(camera.stream, from_us, to_us)
        evidence, timeline = await self._examine(camera, from_us, to_us, segments)
        ended = _durable_us(timeline, evidence.now_us) == to_us
        stopped = bool(timeline.spans and timeline.gaps) and timeline.gaps[-1].from_us >= timeline.spans[-1].to_us
        playlist = await asyncio.to_thread(  # tenths of a second for a day
            write_playlist,
            _shown(segments),
            from_us=from_us,
            to_us=to_us,
            address=address,
            ended=ended,
            settled=ended or stopped,
        )
        if not playlist:
            raise _nothing(camera, from_us, to_us)
        return playlist

    async def frame(self, camera: Camera, at_us: int) -> Frame:
        """The picture on screen at an instant."""
        from_us, to_us = at_us - NEIGHBOURHOOD_US, at_us + NEIGHBOURHOOD_US
        segments = _shown(await self._footage.segments(camera.stream, from_us, to_us))
        async with self._decoders:
            return await frame_at(self._footage, segments, at_us)

    async def segment_bytes(self, segment_id: UUID, *, sound: bool = True) -> SegmentFile | PicturesFile:
        """A segment's own file, as far as it is durable, or the pictures in it alone: what playlists refer to."""
        try:
            segment = await self._footage.segment(segment_id)
        except NotFound:
            # Not in the catalog yet, and not from a playlist of ours: look through the spool once.
            for camera in await self._catalog.inventory.cameras():
                await self._footage.spooled(camera.stream)
            segment = await self._footage.segment(segment_id)
        if not sound:
            return await PicturesFile.of(self._footage, segment)
        return SegmentFile(footage=self._footage, segment=segment)

    async def _cut(self, stretch: Segment | Stretch, from_us: int, to_us: int) -> Segment | Stretch:
        """With the bytes of its fragments in the range alone. Only a segment that the range cuts has its index read."""
        if stretch.state not in SHOWN or (from_us <= stretch.start_us and stretch.end_us <= to_us):
            return stretch
        try:
            whole = await self._footage.segment(stretch.identity.segment_id)
        except NotFound:  # deleted since it was listed
            return stretch
        inside = [each for each in decode(whole.fragments) if each.wall_us < to_us and each.end_wall_us > from_us]
        size_bytes = sum(each.length for each in inside)
        if isinstance(stretch, Stretch):
            return stretch._replace(size_bytes=size_bytes)
        return replace(stretch, size_bytes=size_bytes)

    async def _examine(
        self, camera: Camera, from_us: int, to_us: int, segments: Sequence[Segment | Stretch]
    ) -> tuple[Evidence, Timeline]:
        now_us = self._clock.wall_us()
        evidence = Evidence(
            from_us=from_us,
            to_us=to_us,
            now_us=now_us,
            expected_since_us=camera.expected_since_us,
            enabled=camera.enabled,
            segments=segments,
            tombstones=await self._catalog.expiry.tombstones(camera.stream, from_us, to_us),
            gaps=await self._catalog.gaps.gaps(camera.stream, from_us, to_us),
            events=await self._catalog.gaps.events(camera.stream, from_us, to_us),
        )
        timeline = partition(camera.id, evidence)
        if (
            timeline.pending
            and timeline.pending[-1].to_us == to_us < now_us
            and await self._known(camera, to_us, now_us)
        ):
            evidence = replace(evidence, known_after=True)
            timeline = partition(camera.id, evidence)
        return evidence, timeline

    async def _known(self, camera: Camera, after_us: int, now_us: int) -> bool:
        """Whether footage or gaps are known after an instant. Looks for an hour first: an answer is mostly near."""
        step_us = _FIRST_LOOK_US
        while after_us < now_us:
            until_us = min(after_us + step_us, now_us)
            if await self._footage.stretches(camera.stream, after_us, until_us):
                return True
            # A gap without end that began before was ended by the footage since: the catalog does not know of it yet.
            gaps = await self._catalog.gaps.gaps(camera.stream, after_us, until_us)
            if any(gap.end_us is not None or gap.start_us >= after_us for gap in gaps):
                return True
            after_us, step_us = until_us, min(step_us * 8, DAY_US)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFile:
    """A segment's own file."""

    footage: MergedFootage
    segment: Segment

    @property
    def size_bytes(self) -> int:
        """How much of it is durable."""
        return self.segment.size_bytes

    @property
    def etag(self) -> str:
        """Quoted, strong. An open segment's file grows, and each length has its own."""
        return f'"{self.segment.id}-{self.segment.size_bytes}"'

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, in pieces of at most READ_BYTES."""
        end = self.size_bytes if stop is None else min(stop, self.size_bytes)
        async with self.footage.open(self.segment) as stored:
            for offset in range(start, end, READ_BYTES):
                yield await stored.read_at(offset, min(READ_BYTES, end - offset))


def _shown(segments: Sequence[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.state in SHOWN]


def _durable_us(timeline: Timeline, now_us: int) -> int:
    """Up to where the range is known: its end, or now, or where the newest durable footage ends."""
    end_us = min(timeline.to_us, now_us)
    if timeline.pending and timeline.pending[-1].to_us >= end_us:
        return timeline.pending[-1].from_us
    return end_us


def _nothing(camera: Camera, from_us: int, to_us: int) -> NoFootage:
    return NoFootage(
        f"camera {camera.name} has no footage between {format_instant(from_us)} and {format_instant(to_us)}",
        hint="the timeline tells why",
    )
