"""Live frames as RTP payloads and timestamps for WebRTC (RFC 6184), as they are: nothing is decoded or encoded.

Pictures that are older than the moment somebody begins to watch are needed to decode the next one, and not to be seen
in their time: their times are a millisecond apart and end at the newest one's, so that a browser that plays by them
runs through them and is in the present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from media.h264_packetize import packetize
from media.nal import AUD, IDR_SLICE, PPS, SPS, nal_type, split_length_prefixed
from media.sample_entry import read_visual_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playback.live_muxer import LiveFrame

RTP_CLOCK = 90_000
PAYLOAD_BYTES = 1200
"""With the headers of RTP, SRTP, UDP and a tunnel or two it still fits everywhere."""

HURRIED_TICKS = RTP_CLOCK // 1000


class Picture(NamedTuple):
    """One access unit as it is sent."""

    payloads: list[bytes]
    timestamp: int


class PictureSender:
    """One viewer's pictures."""

    def __init__(self) -> None:
        self._last_ticks: int | None = None

    def picture(self, frame: LiveFrame, newest: LiveFrame, waiting: int) -> Picture:
        """A frame, after which so many more are to be run through, the last of them `newest`; 0: it is shown."""
        ticks = _ticks(newest) - waiting * HURRIED_TICKS if waiting else _ticks(frame)
        if self._last_ticks is not None:
            ticks = max(ticks, self._last_ticks + 1)
        self._last_ticks = ticks
        return Picture(packetize(list(_nals(frame)), PAYLOAD_BYTES), ticks & 0xFFFFFFFF)


def _ticks(frame: LiveFrame) -> int:
    return frame.pts_ticks * RTP_CLOCK // frame.media.track.timescale


def _nals(frame: LiveFrame) -> Iterator[bytes]:
    """With the parameter sets before each IDR picture, where the camera does not send them itself."""
    nals = [nal for nal in split_length_prefixed(frame.payload) if nal and nal_type(nal) != AUD]
    kinds = {nal_type(nal) for nal in nals}
    if IDR_SLICE in kinds and not {SPS, PPS} <= kinds:
        yield from parameter_sets(frame.media.track.sample_entry)
    yield from nals


def parameter_sets(sample_entry: bytes) -> list[bytes]:
    """The SPS and PPS of an avc1 sample entry (AVCDecoderConfigurationRecord, ISO 14496-15, 5.3.3.1)."""
    record = read_visual_entry(sample_entry).content(b"avcC")
    sets, position = [], 5
    for mask in (0x1F, 0xFF):
        count, position = record[position] & mask, position + 1
        for _ in range(count):
            length = int.from_bytes(record[position : position + 2], "big")
            sets.append(record[position + 2 : position + 2 + length])
            position += 2 + length
    return sets
