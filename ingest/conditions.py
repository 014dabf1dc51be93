"""What is odd about a camera that sends: it shows nothing new, or its clock is off. Recording goes on meanwhile.

A condition begins and ends. Both are told to the journal, which makes them events of the camera's timeline; what holds
now is part of its state, for metrics and alerts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from media.camera_clock import CameraClock
from media.picture_watch import PictureWatch
from storage import journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from media.access_unit import AccessUnit
    from media.rtcp import SenderReport
    from storage.clock import Clock
    from storage.spool import SpoolRun

FROZEN_PICTURE, FROZEN_TIMESTAMPS, CLOCK_OFF = "frozen_picture", "frozen_timestamps", "camera_clock"

CLOCK_OFF_US = 2_000_000
CLOCK_RIGHT_US = 1_000_000
"""An offset between the two leaves it at what it was."""

DWELL_US = 20_000_000
"""A condition stays for at least so long, and stays away: a camera that lies by turns must not fill the journal."""

CHECK_US = 1_000_000

_WORDS = {
    FROZEN_PICTURE: "the picture has not changed for {seconds} s",
    FROZEN_TIMESTAMPS: "the camera's timestamps stand still",
    CLOCK_OFF: "the camera's clock {offset}",
}


class Conditions:
    """One stream's, for the length of a run. Times inside are of the boot clock, which never steps."""

    def __init__(self, stream: UUID, spool: SpoolRun, clock: Clock) -> None:
        self._stream = stream
        self.spool = spool
        self._clock = clock
        self._camera_clock = CameraClock()
        self._pictures = PictureWatch()
        self._since_us: dict[str, int] = {}
        self._turned_us: dict[str, int] = {}
        self._due_us = 0

    @property
    def clock_offset_us(self) -> int | None:
        """The camera's clock minus ours; None while no report of this session told it."""
        return self._camera_clock.offset_us

    def begin_session(self) -> None:
        """Another session: the camera may be another, and so may its clock."""
        self._camera_clock = CameraClock()
        self._pictures.begin_session()

    def take_report(self, report: SenderReport) -> None:
        """A sender report of the video."""
        self._camera_clock.take(report, self._clock.wall_us())

    def take_sync(self, unit: AccessUnit) -> None:
        """A sync sample of the video."""
        self._pictures.take(unit, self._clock.boot_us())

    def clock_stepped(self, step_us: int) -> None:
        """The host's wall clock stepped, and the camera's did not."""
        self._camera_clock.shift(step_us)

    def check(self, boot_us: int) -> None:
        """See what has begun or ended, and tell it. Called with each look at the camera; once a second is enough."""
        if boot_us < self._due_us:
            return
        self._due_us = boot_us + CHECK_US
        for kind, since_us in self._seen(boot_us):
            holds = kind in self._since_us
            if (since_us is not None) == holds or boot_us - self._turned_us.get(kind, -DWELL_US) < DWELL_US:
                continue
            self._turned_us[kind] = boot_us
            if since_us is not None:
                self._since_us[kind] = since_us
                self._note(kind, since_us, over=False)
            else:
                del self._since_us[kind]
                self._note(kind, boot_us, over=True)

    def state(self) -> dict[str, Any]:
        """Since when each one holds, in UTC, and the offset of the camera's clock."""
        return {
            "camera_clock_offset_us": self.clock_offset_us,
            "conditions": {kind: self._wall_us(since_us) for kind, since_us in self._since_us.items()},
        }

    @property
    def words(self) -> str:
        """What holds, for people; empty if nothing does."""
        offset_us = self.clock_offset_us
        offset = "was off" if offset_us is None else f"is off by {offset_us / 1e6:+.1f} s"
        return "; ".join(
            _WORDS[kind].format(seconds=(self._clock.boot_us() - since_us) // 1_000_000, offset=offset)
            for kind, since_us in self._since_us.items()
        )

    def _seen(self, boot_us: int) -> Iterator[tuple[str, int | None]]:
        yield FROZEN_PICTURE, self._pictures.still_since_us
        yield FROZEN_TIMESTAMPS, self._pictures.stuck_since_us
        offset_us = self.clock_offset_us
        if offset_us is None:
            return  # nothing is known of it, and nothing is over
        if abs(offset_us) > CLOCK_OFF_US:
            yield CLOCK_OFF, self._since_us.get(CLOCK_OFF, boot_us)
        elif abs(offset_us) < CLOCK_RIGHT_US:
            yield CLOCK_OFF, None

    def _note(self, kind: str, at_us: int, *, over: bool) -> None:
        offset = {"offset_us": self.clock_offset_us} if kind == CLOCK_OFF else {}
        self.spool.note(
            journal.condition(kind=kind, stream=self._stream, at_us=self._wall_us(at_us), over=over, **offset)
        )

    def _wall_us(self, boot_us: int) -> int:
        return boot_us + self._clock.wall_us() - self._clock.boot_us()
