"""The picture on screen at an instant, as JPEG.

A frame is a video of one frame: the same slice and the same file that `video` would give for it, decoded. So there is
one place that knows how to begin at a sync sample and what to hide, and it knows every codec that files can hold.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import cv2

from media.errors import CodecError, NoFootage
from media.fragment_index import decode as decode_fragments
from media.sample_table import SampleTable
from playback.slices import cut_frame, follows
from playback.timerange import SECOND_US, format_instant
from playback.video import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playback.footage import MergedFootage
    from playback.video import VideoFile
    from storage.model import Segment

MOST_BYTES = 32 << 20
"""From a sync sample to the frame: half a minute at 8 Mbit/s. Smart codecs make groups of 10 s."""

NEIGHBOURHOOD_US = SECOND_US
"""How far a segment may end before an instant at which its last frame is still on screen."""

_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture and when it was taken."""

    jpeg: bytes
    wall_us: int


async def frame_at(footage: MergedFootage, segments: Sequence[Segment], at_us: int) -> Frame:
    """The last frame presented at or before `at_us`, among visible segments around it. NoFootage outside of a span."""
    segment = _segment_at(segments, at_us)
    if segment is None:
        raise NoFootage(f"nothing was recorded at {format_instant(at_us)}")
    (table,) = await footage.tables([segment])
    part = cut_frame(segment, SampleTable.decode(table), decode_fragments(segment.fragments), at_us)
    before = _segment_at(segments, segment.start_us - 1)
    if part is None and before is not None and follows(segment, before):
        (table,) = await footage.tables([before])
        part = cut_frame(before, SampleTable.decode(table), decode_fragments(before.fragments), at_us)
    if part is None:
        raise NoFootage(f"nothing was recorded at {format_instant(at_us)}")
    layout = Layout(footage)
    await layout.add_cut(part, table)
    video = layout.file(from_us=at_us, to_us=at_us, complete=True)
    if video.size_bytes > MOST_BYTES:
        raise CodecError(
            f"{video.size_bytes} bytes lie between the frame at {format_instant(at_us)} and the sync sample before it",
            hint="let the camera send sync samples more often",
        )
    return Frame(jpeg=await _decoded(video), wall_us=part.shown_us)


def _segment_at(segments: Sequence[Segment], at_us: int) -> Segment | None:
    """The last segment that began; its last frame stays on screen for as long as its span goes on."""
    begun = [segment for segment in segments if segment.start_us <= at_us]
    if not begun:
        return None
    last = max(begun, key=lambda segment: segment.start_us)
    within = at_us < last.end_us or any(follows(segment, last) for segment in segments)
    return last if within else None


async def _decoded(video: VideoFile) -> bytes:
    content = b"".join([piece async for piece in video.read()])
    return await asyncio.to_thread(_jpeg, content)


def _jpeg(mp4: bytes) -> bytes:
    """The last frame of a file, which shows one. Blocks; FFmpeg lets other threads run meanwhile."""
    picture = None
    try:
        with av.open(io.BytesIO(mp4), mode="r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # the frames before it depend on each other: threads would only wait
            for frame in container.decode(stream):
                picture = frame
        if picture is None:
            raise CodecError("the footage holds no frame that can be decoded")
        done, jpeg = cv2.imencode(".jpg", picture.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    except (av.FFmpegError, cv2.error) as error:
        raise CodecError(f"the frame cannot be decoded: {error}") from error
    if not done:
        raise CodecError("the frame cannot be encoded as JPEG")
    return bytes(jpeg)
