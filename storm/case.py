"""One camera's evidence as the rules ask it: what left whole, what came back and where, and what may explain a loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from media.errors import GapReason
from simulator.options import parse_duration_us
from storm.camera_time import CameraTime
from storm.costs import AFTERMATH_US, COSTS
from storm.facts import EDGE_US, TOLERANCE_US, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storm.facts import CameraEvidence, FaultWindow, Fragment, FragmentId, Interval, Seen, Sent
    from storm.outages import Outage


@dataclass(frozen=True, kw_only=True)
class Case:
    """A camera, its outages, and the lists that the rules share; each is made once.

    The script began at `began_us`; the spool's disk was full in `full`.
    """

    camera: CameraEvidence
    outages: Sequence[Outage]
    began_us: int = 0
    full: Sequence[Interval] = ()

    @cached_property
    def whole(self) -> Mapping[int, Sent]:
        """The frames that left whole, to any session, in the order of their numbers."""
        found = {each.frame: each for each in reversed(self.camera.sent) if each.whole}
        return dict(sorted(found.items()))

    @cached_property
    def spoiled(self) -> Mapping[int, Sent]:
        """The frames that left, but never whole."""
        found = {each.frame: each for each in reversed(self.camera.sent) if each.frame not in self.whole}
        return dict(sorted(found.items()))

    @cached_property
    def crcs(self) -> Mapping[int, frozenset[int]]:
        """What each frame's NAL units hashed to when it was sent."""
        found: dict[int, set[int]] = {}
        for each in self.camera.sent:
            found.setdefault(each.frame, set()).add(each.crc32)
        return {frame: frozenset(crcs) for frame, crcs in found.items()}

    @cached_property
    def retrieved(self) -> Mapping[int, Seen]:
        """The frames of `video.mp4` by number; those without a mark are left out."""
        return {seen.frame: seen for seen in self.camera.frames if seen.frame != UNKNOWN}

    @cached_property
    def stored(self) -> Mapping[int, Seen]:
        """The frames of the segments by number, as they lie on the timeline."""
        fragments = self.camera.fragments.values()
        return {seen.frame: seen for fragment in fragments for seen in fragment.frames if seen.frame != UNKNOWN}

    @cached_property
    def damaged(self) -> Sequence[Fragment]:
        """The fragments that say that packets are missing."""
        return [fragment for fragment in self.camera.fragments.values() if fragment.lost_packets]

    @cached_property
    def damaged_frames(self) -> frozenset[tuple[int, int]]:
        """Number and hash of every frame in such a fragment."""
        return frozenset((seen.frame, seen.crc32) for fragment in self.damaged for seen in fragment.frames)

    @cached_property
    def lost(self) -> Sequence[Sent]:
        """Whole frames of the range that did not come back."""
        return [
            each for each in self.whole.values() if self.camera.asked(each.sent_us) and each.frame not in self.retrieved
        ]

    @cached_property
    def not_retrieved(self) -> Mapping[FragmentId, int]:
        """What was announced and did not come back, and where it ended."""
        there = self.camera.fragments.keys() | self.camera.sound_ids
        return {key: through_us for key, through_us in self.camera.announced.items() if key not in there}

    @cached_property
    def full_disk_gaps(self) -> Sequence[Interval]:
        """The gaps that a full disk explains: it was full once they had begun, for what is given up is older."""
        of_disk = [gap for gap in self.camera.gaps if gap.reason == GapReason.SPOOL_FULL]
        return [gap for gap in of_disk if any(gap.start_us <= full.end_us + TOLERANCE_US for full in self.full)]

    @cached_property
    def given_up(self) -> Mapping[FragmentId, int]:
        """What was announced and given up, as gaps say that a full disk explains."""
        return {
            key: through_us
            for key, through_us in self.not_retrieved.items()
            if any(gap.start_us < through_us <= gap.end_us + EDGE_US for gap in self.full_disk_gaps)
        }

    def is_of_full_disk(self, each: Sent) -> bool:
        """Whether a frame lies in a gap that a full disk explains."""
        return self._lies_in(self.full_disk_gaps, each)

    def loses(self, instant_us: int) -> bool:
        """Whether packets were being lost at an instant, and nothing worse that ends a session."""
        return {window.kind for window in self._near(instant_us)} & {"loss", "garbage", "cut"} == {"loss"}

    @cached_property
    def time(self) -> CameraTime:
        """When the camera took its frames."""
        return CameraTime(self.camera.fps, self.camera.faults, self.camera.sent)

    def tolerance_us(self, instant_us: int) -> int:
        """How far the timeline may lie from the camera's own clock at an instant."""
        windows = self._near(instant_us)
        return self.camera.shift_us + max((COSTS[window.kind].off_by_us for window in windows), default=TOLERANCE_US)

    def gop_us(self, outage: Outage) -> int:
        """How far apart sync samples could be while an outage lasted."""
        lengths = [
            parse_duration_us(str(window.parameter("length")))
            for window in self.camera.faults
            if window.kind == "gop" and window.start_us < outage.end_us and window.end_us > outage.start_us
        ]
        return max([self.camera.gop_us, *lengths])

    def in_outage(self, instant_us: int) -> bool:
        """Whether a frame sent then may be lost: a camera was down, or about to be, or had no sync sample yet."""
        return any(
            outage.lost_from_us - TOLERANCE_US <= instant_us <= outage.end_us + TOLERANCE_US for outage in self.outages
        )

    def is_declared(self, each: Sent) -> bool:
        """Whether a frame is declared as not recorded: when the camera took it, however late it was sent."""
        return self._lies_in(self.camera.gaps, each)

    def _lies_in(self, gaps: Sequence[Interval], each: Sent) -> bool:
        instant_us = self.time.taken_us(each.frame)
        margin_us = self.tolerance_us(instant_us)
        return any(gap.start_us - margin_us <= instant_us <= gap.end_us + margin_us for gap in gaps)

    def _near(self, instant_us: int) -> Iterator[FaultWindow]:
        return (
            window
            for window in self.camera.faults
            if window.start_us - TOLERANCE_US <= instant_us <= window.end_us + AFTERMATH_US
        )
