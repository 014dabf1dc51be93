"""The process in which libav reads one odd device: bytes of whoever that is into packets, and nothing else.

Runs as `python -P -m ingest.libav_child PARENT`: the order comes on standard input, packets leave on standard output
(`ingest.libav_wire`). Confined before the first foreign byte (`ingest.confinement`). It decodes nothing.

It can make no connection and resolve no name. libav follows redirects of RTSP by itself: wherever they lead, what
answers is the camera, because its parent makes the connections (`ingest.libav_lines`).
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import TYPE_CHECKING

import av
import av.logging

from ingest import libav_wire as wire
from ingest.confinement import Asking, confine, load_everything
from ingest.libav_wire import Opened, Order
from media.errors import GapReason
from media.url import redact

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MEMORY_BYTES = 1 << 30
MOST_FILES = 64
OPEN_TIMEOUT_S = 8.0
READ_TIMEOUT_S = 8.0
TIMESCALE = 90_000

UNTIMED = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc"})
"""Formats without times: libav makes some up at 25 frames a second."""

_REASONS: tuple[tuple[type[BaseException], GapReason], ...] = (
    (av.HTTPUnauthorizedError, GapReason.AUTH),
    (av.HTTPForbiddenError, GapReason.AUTH),
    (av.HTTPNotFoundError, GapReason.NOT_FOUND),
    (av.HTTPServerError, GapReason.BUSY),
    (av.InvalidDataError, GapReason.PROTOCOL),
    (av.ProtocolNotFoundError, GapReason.UNSUPPORTED),
    (av.DemuxerNotFoundError, GapReason.UNSUPPORTED),
    (FileNotFoundError, GapReason.NOT_FOUND),
    (PermissionError, GapReason.UNSUPPORTED),
    (ConnectionRefusedError, GapReason.REFUSED),
)


def main() -> int:
    """Until the device ends or the parent does."""
    load_everything(av)
    av.logging.set_level(av.logging.ERROR)  # the last line goes with the error; standard error leads nowhere
    with socket.socket(fileno=os.dup(0)) as parent:
        os.close(0)
        order = Order.from_bytes(_everything(parent))
        version = confine(
            parent=int(sys.argv[1]),
            memory_bytes=MEMORY_BYTES,
            files=MOST_FILES,
            cpu_s=None,
            asking=Asking(
                call="bind" if order.datagrams else "connect",
                kind=socket.SOCK_DGRAM if order.datagrams else socket.SOCK_STREAM,
                whom=parent,
            ),
        )
    opened = False
    try:
        with av.open(
            order.url,
            "r",
            options={**order.options, "format_whitelist": order.formats},
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        ) as device:
            opened = True
            _forward(device, version)
        _tell(wire.ended(GapReason.UNREACHABLE, "the stream ended"))
    except (OSError, ValueError, av.FFmpegError) as error:
        _tell(wire.ended(*_why(error, order, opened=opened)))
    return 0


def _everything(parent: socket.socket) -> bytes:
    parts = []
    while part := parent.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def _forward(device: InputContainer, version: int) -> None:
    if not device.streams.video:
        raise ValueError("no video in it")
    stream = device.streams.video[0]
    context = stream.codec_context
    timed = device.format.name not in UNTIMED
    said = Opened(
        codec=context.codec.canonical_name,
        configuration=bytes(context.extradata or b""),
        format=device.format.name,
        timed=timed,
        landlock=version,
    )
    _tell(wire.opened(said))
    for found in device.demux(stream):
        if found.size:
            ticks = _ticks(found.pts, stream) if timed else None
            _tell(wire.packet(ticks, found.is_corrupt, bytes(found)))


def _ticks(time_in_stream: int | None, stream: VideoStream) -> int | None:
    if time_in_stream is None or stream.time_base is None:
        return None
    return round(time_in_stream * stream.time_base * TIMESCALE)


def _why(error: BaseException, order: Order, *, opened: bool) -> tuple[GapReason, str]:
    """A gap's reason, and what libav says: in words, and in the last line of its log."""
    if isinstance(error, ValueError) and not isinstance(error, av.FFmpegError):
        return GapReason.UNSUPPORTED, str(error)
    if isinstance(error, av.ExitError | TimeoutError):
        seconds = READ_TIMEOUT_S if opened else OPEN_TIMEOUT_S
        return GapReason.STALLED if opened else GapReason.UNREACHABLE, f"libav: nothing within {seconds:.0f} s"
    said = getattr(error, "log", None)
    level, part, line = said or (None, "", "")
    if "not on whitelist" in line.lower():
        return GapReason.UNSUPPORTED, f"libav: it is of the kind {part!r}, which is not opened"
    words = getattr(error, "strerror", None) or str(error)
    if level is not None:
        words = f"{words} ({part}: {redact(line.strip())[:150]})"
    elif order.redirects_refused and getattr(error, "errno", None) == errno.EIO:
        words = f"{words}, as with a redirect, which is not followed"
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), GapReason.UNREACHABLE)
    return reason, f"libav: {redact(words)}"


def _tell(message: bytes) -> None:
    """Blocks while the parent does not read: then libav does not read either, and the device notices."""
    view = memoryview(message)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main())
