"""libx264 the way a camera's chip works: pictures in, access units out, at a steady bitrate."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
from av.video.frame import PictureType

from media.errors import CodecError
from media.nal import split_annex_b
from simulator.oracle import MARK_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Coded(NamedTuple):
    """One access unit: which picture it is, and its NAL units without start codes."""

    picture: int
    nals: list[bytes]


class Encoder:
    """One H.264 encoder. Not for use by two threads at once; encoding releases the GIL.

    Sync samples are where the caller asks for them and carry the parameter sets in band. One slice a picture: with
    sliced threads libav's own RTSP demuxer returns one picture as two packets, and every reader built on it would
    blame the simulator. `bitrate_bps` is that of the access units with their oracle marks. With `b_frames`, two of
    three pictures are coded from their neighbours on both sides, so access units come later and in decode order.
    """

    def __init__(self, *, width: int, height: int, fps: int, bitrate_bps: int, b_frames: bool = False) -> None:
        bitrate_bps -= 8 * MARK_BYTES * fps  # the oracle's mark counts, too
        kbps = bitrate_bps // 1000
        self._context = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height = width, height
        self._context.pix_fmt = "yuv420p"
        self._context.time_base, self._context.framerate = Fraction(1, fps), Fraction(fps)
        self._context.bit_rate = bitrate_bps
        self._context.thread_count = 1
        self._context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            # One second of buffer: key frames may be large, as a camera's are, and the bitrate holds over a second.
            "x264-params": f"sliced-threads=0:scenecut=0:force-cfr=1:keyint=infinite"
            f":vbv-maxrate={kbps}:vbv-bufsize={kbps}"
            f"{':bframes=2:b-adapt=0:b-pyramid=none' if b_frames else ''}",
        }
        self._pictures = 0

    def encode(self, planes: NDArray[np.uint8], *, sync: bool) -> list[bytes]:
        """The NAL units of one picture (I420 planes), at once. CodecError if it is not exactly one: with B-frames."""
        coded = self.submit(planes, sync=sync)
        if len(coded) != 1:
            raise CodecError(f"libx264 returned {len(coded)} packets for a picture; without B-frames that is one")
        return coded[0].nals

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
        return [Coded(packet.pts or 0, split_annex_b(bytes(packet))) for packet in self._context.encode(frame)]
