"""What is due while a session plays, without a packet arriving.

Each look ends the session where it finds a reason to: silence, no picture, nothing that a recording could begin with,
frames that come ever later, more than a camera may send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.source import Tally
from media.errors import GapReason

if TYPE_CHECKING:
    from ingest.approach import CameraMemory
    from ingest.segmenter import Segmenter
    from ingest.source import Source

NO_PICTURE_US = 20_000_000
"""A camera may send packets and no picture for this long: a large one takes its time on a narrow line."""

NO_PARAMETERS_US = 20_000_000
"""Pictures that nothing describes. A new session asks for a new description."""

NO_SYNC_FIRST_US = 30_000_000
"""Pictures without a sync sample. Most cameras begin a session with one; where it was lost, another session has it."""

NO_SYNC_US = 90_000_000
"""The same where that brought none. GOPs of 60 s exist, and their next sync sample must not fall between sessions."""

MEASURE_US = 2_000_000

FLOOD_BPS = 60_000_000
"""Or three times what the camera is configured to send, where that is more. Every byte on the connection counts."""

PACKET_BITS = 3_000
"""Who may send 60 Mbit/s may send 20 000 packets a second, which would be such small ones. Whatever is dealt with one
by one counts as a packet: NAL units inside of one, reports, what nobody asked for, reads. None takes over 5 us."""

FLOOD_PICTURES = 1_000
"""A second, four times as many as any camera makes: each costs as much as several packets, however small it is."""

FLOOD_SEGMENTS = 60
"""At once, and one a second from then on. A clock that jumps and parameter sets that change with each picture make a
file of each picture, and files are what the cameras of a disk share."""


COUNTED = {
    "received_bytes": "octets",
    "overtaken_packets": "overtaken_packets",
    "late_packets": "late_packets",
    "foreign_packets": "foreign_packets",
    "overflowed_packets": "overflowed_packets",
}
"""What of a tally is counted for as long as the stream is recorded, under which name."""


class SessionWatch:
    """One session's. `check` is called a few times a second, with an instant of the boot clock."""

    def __init__(self, camera: Source, boot_us: int, memory: CameraMemory, counts: dict[str, int]) -> None:
        """`counts` are the stream's, over all sessions: COUNTED is added to them."""
        self.camera = camera
        self._memory = memory
        self._counts = counts
        self.picture_us = self.described_us = self.recording_us = boot_us
        """When there last was a picture, a description, footage; the beginning of the session before that."""
        self.bitrate_bps = 0
        self._begun_us = self._measured_us = boot_us
        self._seen = Tally()
        self._pictures = 0  # since the last measurement
        self._segments_before: int | None = None

    def check(self, boot_us: int, segmenter: Segmenter, nominal_bps: int, *, blocked: bool = False) -> None:
        """Look, and end the session where there is a reason to. A `blocked` disk is no reason."""
        self.camera.check(boot_us)
        self._measure(boot_us, max(FLOOD_BPS, 3 * nominal_bps))
        if segmenter.track is not None:
            self.described_us = boot_us
        if segmenter.recording:
            self._memory.renewed_for_sync = False
        if segmenter.recording or blocked:
            self.recording_us = boot_us
        sync_us = NO_SYNC_US if self._memory.renewed_for_sync else NO_SYNC_FIRST_US
        fail = self.camera.fail
        if boot_us - self.picture_us > NO_PICTURE_US:
            fail(GapReason.NO_MEDIA, f"no picture for {NO_PICTURE_US // 1_000_000} s; {self.camera.what_came()}")
        elif boot_us - self.described_us > NO_PARAMETERS_US:
            fail(GapReason.NO_SYNC, f"pictures for {NO_PARAMETERS_US // 1_000_000} s, but {segmenter.awaited}")
        elif boot_us - self.recording_us > sync_us:
            self._memory.renewed_for_sync = True
            fail(GapReason.NO_SYNC, f"pictures for {sync_us // 1_000_000} s, but {segmenter.awaited}")
        elif segmenter.lagging:
            fail(GapReason.STALLED, "pictures come over 10 s after their time: the line does not carry them")

    def take_picture(self, boot_us: int, segments: int) -> int:
        """One came, and so many segments were begun in the run by then; returns how long it waited, in microseconds."""
        self.picture_us = boot_us
        self._pictures += 1
        if self._segments_before is None:
            self._segments_before = segments
        begun = segments - self._segments_before
        if begun > FLOOD_SEGMENTS + (boot_us - self._begun_us) // 1_000_000:
            detail = f"what the camera sends would take {begun} files for {(boot_us - self._begun_us) // 1_000_000} s"
            self.camera.fail(GapReason.FLOOD, detail)
        return self.camera.waited_us

    def held(self, held_us: int) -> None:
        """The process stood still for so long: what did not come meanwhile is not the camera's fault."""
        self.camera.held(held_us)
        self.picture_us += held_us
        self.described_us += held_us
        self.recording_us += held_us

    def finish(self) -> None:
        """The session is over: count what came since the last measurement."""
        self._count(self._seen, self.camera.tally())

    def _count(self, seen: Tally, tally: Tally) -> None:
        for name, field in COUNTED.items():
            self._counts[name] += getattr(tally, field) - getattr(seen, field)

    def _measure(self, boot_us: int, limit_bps: int) -> None:
        seen, tally = self._seen, self.camera.tally()
        due = boot_us - self._measured_us >= MEASURE_US
        # What would be too much for the whole time is so at once: the other cameras do not wait for the end of it.
        elapsed_us = boot_us - self._measured_us if due else MEASURE_US
        pictures, work = self._pictures, tally.work - seen.work
        octets, received = tally.octets - seen.octets, tally.wire_bytes - seen.wire_bytes
        if due:
            self._measured_us, self._seen, self._pictures = boot_us, tally, 0
            self.bitrate_bps = octets * 8_000_000 // elapsed_us
            self._count(seen, tally)
        if received * 8_000_000 > limit_bps * elapsed_us:
            rate, limit = received * 8 / elapsed_us, limit_bps / 1e6
            self.camera.fail(GapReason.FLOOD, f"the camera sends {rate:.0f} Mbit/s; {limit:.0f} are the limit")
        elif work * 1_000_000 > limit_bps // PACKET_BITS * elapsed_us:
            rate, limit = work * 1_000_000 // elapsed_us, limit_bps // PACKET_BITS
            what = f"the work of {rate} packets a second, NAL units and reports among them; {limit} are the limit"
            self.camera.fail(GapReason.FLOOD, f"the camera makes {what}")
        elif pictures * 1_000_000 > FLOOD_PICTURES * elapsed_us:
            rate = pictures * 1_000_000 // elapsed_us
            self.camera.fail(GapReason.FLOOD, f"the camera sends {rate} pictures a second")
