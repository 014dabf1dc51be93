"""A recorder without camera and disk, and a camera's side of a session, down to the bytes on the wire."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from ingest.assignments import Assignment
from ingest.backoff import Herd
from ingest.client import CameraSession
from ingest.recorder import Recorder
from ingest.session import RtspSession
from ingest.watch import SessionWatch
from media.access_unit import AccessUnit
from media.errors import GapReason, SourceError
from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets
from media.identity import SegmentIdentity
from media.rtp import RtpReceiver
from media.url import CameraUrl
from storage.clock import FakeClock
from storage.coverage import Interval
from storage.gap_ledger import GapLedger
from storage.spool import PENDING_TOTAL_BYTES, SpoolRun
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import FRAME_TICKS, FRAME_US, Footage, Recorded

STREAM = UUID(int=3)
Done = Callable[[Exception | None], None]


@dataclass
class File:
    """A file of the spool whose writes the test lets succeed or fail."""

    spool: Spool
    content: bytearray
    waiting: list[Done] = field(default_factory=list)
    abandoned: bool = False

    def append(self, buffers: Sequence[Any], done: Done) -> None:
        """A fragment."""
        fragment = b"".join(buffers)
        self.content += fragment
        self.spool.pending_bytes += len(fragment)

        def settled(error: Exception | None) -> None:
            self.spool.pending_bytes -= len(fragment)
            done(error)

        self.waiting.append(settled)

    def seal(self, buffers: Sequence[Any], done: Done) -> None:
        """The end."""
        self.content += b"".join(buffers)
        self.waiting.append(done)

    def read(self, offset: int, length: int) -> bytes:
        """What was written."""
        return bytes(self.content[offset : offset + length])

    def abandon(self) -> None:
        """No end."""
        self.abandoned = True


@dataclass
class Spool:
    """A spool that keeps what it is told."""

    run: int = 7
    failed: Exception | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    pending_bytes: int = 0
    kept_bytes: int = 0
    total_bytes: int = PENDING_TOTAL_BYTES

    @property
    def rest_bytes(self) -> int:
        """As the real one."""
        return SpoolRun.rest_bytes.fget(self)  # type: ignore[attr-defined,no-any-return]

    @property
    def allowance_bytes(self) -> int:
        """As the real one."""
        return SpoolRun.allowance_bytes.fget(self)  # type: ignore[attr-defined,no-any-return]

    def note(self, record: Mapping[str, Any]) -> None:
        """A record of the journal."""
        self.notes.append(dict(record))

    def open_segment(self, identity: SegmentIdentity, init: bytes) -> File:
        """A new file."""
        self.files.append(File(self, bytearray(init)))
        return self.files[-1]


class Nothing:
    """Takes payloads and makes no picture of them."""

    timestamp = latest = -1
    parts = 0

    def push(self, *_payload: object) -> None:
        """Nothing."""


class Line(asyncio.Transport):
    """The connection as the session sees it: what it wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        """A request."""
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self.closed

    def get_write_buffer_size(self) -> int:
        """All that is written is read at once."""
        return 0

    def close(self) -> None:
        """In order."""
        self.closed = True

    def abort(self) -> None:
        """At once."""
        self.closed = True


class Rig:
    """A recorder, a clock that moves with the frames it is fed, and the spool of both."""

    def __init__(self, *, spool: Spool | None = None, **assigned: Any) -> None:
        self.clock = FakeClock()
        self.spool = spool or Spool()
        url = CameraUrl.parse("rtsp://10.0.0.1/")
        assignment = replace(Assignment(stream=STREAM, camera=UUID(int=2), name="cam", epoch=1, url=url), **assigned)
        self.assignment = assignment
        self.recorder = Recorder(
            assignment,
            spool=self.spool,  # type: ignore[arg-type]
            clock=self.clock,
            herd=Herd(self.clock),
            rng=random.Random(1),
        )
        self.sets = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
        self.frame = 0
        self.gop = 25

    def feed(self, frames: int, size_bytes: int = 2) -> None:
        """Frames at 25 a second, a sync sample each second if not said otherwise."""
        for _ in range(frames):
            unit = AccessUnit(
                nals=bytearray(size_bytes.to_bytes(4, "big") + b"\x65\x88" + bytes(size_bytes - 2)),
                rtp_timestamp=self.frame * FRAME_TICKS,
                sync=self.frame % self.gop == 0,
                lost_packets=0,
                parameters=self.sets if self.recorder._segmenter.track is None else None,
            )
            self.recorder._on_unit(unit)
            self.frame += 1
            self.clock.advance(FRAME_US)

    def written(self) -> None:
        """All that was queued is durable."""
        for file in self.spool.files:
            while file.waiting:
                file.waiting.pop(0)(None)

    def lose_session(self, reason: GapReason) -> None:
        """The camera is gone, and a later session starts over."""
        self.recorder._failed(SourceError(reason, "gone"))
        self.recorder._segmenter.start_session(segment_us=60_000_000)

    def tick(self) -> None:
        """As the worker does four times a second."""
        self.recorder.tick(self.clock.wall_us(), self.clock.boot_us())

    def watch(self, receiver: RtpReceiver, url: CameraUrl | None = None) -> CameraSession:
        """A session of the recorder, in the state in which it plays."""
        assert self.assignment.url is not None
        camera = CameraSession(url or self.assignment.url, RtspSession(self.clock), self.clock)
        camera.session.connection_made(Line())
        camera.receiver = receiver
        camera.session.play_into(receiver, 0)
        camera._keepalive.begin("rtsp://10.0.0.1/", "4711", 60, self.clock.boot_us())
        self.recorder._watch = SessionWatch(camera, self.clock.boot_us(), self.recorder._memory, self.recorder._counts)
        return camera

    def ledger(self, footage: Sequence[Interval]) -> GapLedger:
        """The notes, applied in order, over the footage that is durable."""
        ledger = GapLedger(STREAM, (), ())
        for note in self.spool.notes:
            if note["kind"] == "stream_start":
                ledger.start(note["at_us"], since_us=None, reason=GapReason.SHUTDOWN)
            elif note["kind"] == "gap_open":
                ledger.open(note["at_us"], GapReason(note["reason"]), note["detail"])
            elif note["kind"] == "gap_close":
                ledger.close(note["at_us"])
        for interval in footage:
            ledger.cover(interval)
        return ledger


class Wire(Recorded, Footage):
    """A camera's side of a playing session. `record` ends the session and gives back what is in the spool."""

    def __init__(self, rig: Rig | None = None, *, packet_bytes: int = 400, described: bool = False) -> None:
        super().__init__(packet_bytes=packet_bytes)
        self.rig = rig or Rig()
        sets = ParameterSets.from_nals([SPS, PPS]) if described else None
        self.receiver = RtpReceiver(96, H264Depacketizer(self.rig.recorder._on_unit, sets))
        self.camera = self.rig.watch(self.receiver)

    @property
    def failed(self) -> SourceError | None:
        """Why the session ended, if it did."""
        failure = self.camera.session.failure
        return failure.result() if failure.done() else None

    def hear(self, received: bytes) -> None:
        """Bytes from the camera."""
        for start in range(0, len(received), 60_000):
            read = received[start : start + 60_000]
            self.camera.session.get_buffer(len(read))[: len(read)] = read
            self.camera.session.buffer_updated(len(read))

    def play(self, frames: int, alter: Callable[[list[bytes]], list[bytes]] = list) -> None:
        """Frames at 25 a second, the packets of each altered; four times a second the worker looks."""
        for _ in range(frames):
            self.hear(b"".join(alter(self.packets())))
            self.pass_time(FRAME_US)

    def pass_time(self, microseconds: int) -> None:
        """Nothing comes for so long."""
        for _ in range(0, microseconds, FRAME_US):
            self.rig.clock.advance(FRAME_US)
            if self.rig.clock.boot_us() // FRAME_US % 6 == 0:
                self.rig.tick()
