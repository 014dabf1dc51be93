"""libav's encoders the way a camera's chip works: pictures in, access units out, at a steady bitrate."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

import av
from av.video.frame import PictureType

from media.errors import CodecError
from simulator.scheduling import scheduled_as_before

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from av.video.codeccontext import VideoCodecContext
    from numpy.typing import NDArray


class Setting(NamedTuple):
    """What is to be coded. `bitrate_bps` is that of the access units with their oracle marks."""

    width: int
    height: int
    fps: int
    bitrate_bps: int
    b_frames: bool = False
    """Two of three pictures are coded from their neighbours on both sides, and access units come in decode order."""


class Coded(NamedTuple):
    """One access unit: which picture it is, and its units as `simulator.codec` has them."""

    picture: int
    units: list[bytes]


class Encoder:
    """One encoder. Not for use by two threads at once; encoding releases the GIL.

    Sync samples are where the caller asks for them and carry the parameter sets in band. One slice a picture: with
    sliced threads libav's own RTSP demuxer returns one picture as two packets, and every reader built on it would
    blame the simulator.
    """

    def __init__(
        self, name: str, setting: Setting, options: Mapping[str, str], split: Callable[[bytes], list[bytes]]
    ) -> None:
        """An encoder of libav with its options; `split` takes one of its packets to pieces."""
        self._name = name
        self._split = split
        self._context = cast("VideoCodecContext", av.CodecContext.create(name, "w"))
        self._context.width, self._context.height = setting.width, setting.height
        self._context.pix_fmt = "yuv420p"
        self._context.time_base, self._context.framerate = Fraction(1, setting.fps), Fraction(setting.fps)
        self._context.bit_rate = setting.bitrate_bps
        self._context.thread_count = 1
        self._context.options = dict(options)
        with scheduled_as_before():
            self._context.open()
        self._pictures = 0

    def encode(self, planes: NDArray[np.uint8], *, sync: bool) -> list[bytes]:
        """The units of one picture (I420 planes), at once. CodecError if it is not exactly one: with B-frames."""
        coded = self.submit(planes, sync=sync)
        if len(coded) != 1:
            raise CodecError(f"{self._name} returned {len(coded)} packets for a picture; without B-frames that is one")
        return coded[0].units

    def submit(self, planes: NDArray[np.uint8], *, sync: bool) -> list[Coded]:
        """Take the next picture (I420 planes); returns what is coded by now."""
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._pictures
        frame.pict_type = PictureType.I if sync else PictureType.NONE
        self._pictures += 1
        return self._collect(frame)

    def finish(self) -> list[Coded]:
        """The rest."""
        return self._collect(None)

    def _collect(self, frame: av.VideoFrame | None) -> list[Coded]:
        return [Coded(packet.pts or 0, self._split(bytes(packet))) for packet in self._context.encode(frame)]
