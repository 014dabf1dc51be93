"""Whatever the clocks of camera and host do: no fragment ends before it begins, none overlap, no segment is too long.

The catalog refuses a row that breaks one of these, and its footage would lie in the spool for ever.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.segmenter import FRAGMENT_BYTES, Segmenter
from tests.builders_segmenter import SMALL, START_US, Files, segmenter_into, unit_of

if TYPE_CHECKING:
    from media.commit import Commit

LONGEST_US = 600_000_000
SECOND_US = 1_000_000

INTERVALS_US = st.sampled_from([0, 1, 7_000, 40_000, 250_000, 2_000_000, 9_000_000, 29_000_000])
TICKS = st.sampled_from([0, 1, 90, 3600, 90_000, 810_000, 45_000_000, -90, -3600, -90_000, 1 << 31, -54_000_000])
FRAMES = st.integers(1, 60)
STEPS = st.one_of(
    st.tuples(st.just("play"), FRAMES, TICKS, INTERVALS_US, st.sampled_from([1, 10, 50, 100_000])),
    st.tuples(st.just("crawl"), st.integers(55, 75), st.booleans()),
    st.tuples(st.just("flood"), TICKS),
    st.tuples(st.just("jump"), TICKS),
    st.tuples(st.just("hold"), st.sampled_from([1_400_000, 61_000_000, 95_000_000, 700_000_000])),
    st.tuples(st.just("look")),
    st.tuples(st.just("step"), st.sampled_from([600_000, -600_000, 7_200_000_000, -7_200_000_000])),
    st.tuples(st.just("rotate"), st.sampled_from([1, 540, 600])),
    st.tuples(st.just("session")),
    st.tuples(st.just("abandon")),
)


class Timed(Files):
    """Files whose commits know in which time of the host they were made: it is set forward and back."""

    def __init__(self) -> None:
        super().__init__()
        self.segments: list[list[Commit]] = []
        self.steps = 0
        self.step_of: list[int] = []

    def open_segment(self, identity: object, track: object, init: bytes) -> None:
        """A file begins."""
        self.files.append(bytearray(init))
        self.segments.append([])

    def append_fragment(self, buffers: object, commit: Commit) -> None:
        """One that would be durable."""
        self.commits.append(commit)
        self.segments[-1].append(commit)

    def seal_segment(self, buffers: object, end_us: int) -> None:
        """The end of the file, as its row in the catalog will say."""
        if self.segments[-1]:
            first, last = self.segments[-1][0], self.segments[-1][-1]
            assert 0 <= end_us - first.wall_us <= LONGEST_US, (first.wall_us, end_us)
            assert end_us >= last.end_wall_us
            self.ends.append(end_us)

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """A silence, declared."""
        assert silence_us > 0


class Hostile:
    """A camera and a host that do as they are told."""

    def __init__(self) -> None:
        self.files = Timed()
        self.segmenter: Segmenter = segmenter_into(self.files, segment_us=540_000_000)
        self.arrival_us = START_US
        self.number = self.ticks = 0
        self.stepped = False

    def play(self, frames: int, ticks: int, interval_us: int, gop: int) -> None:
        """Some frames at their intervals, looked after four times a second."""
        for number in range(frames):
            self._send(ticks, sync=number % gop == gop // 2)
            self.pass_time(interval_us)

    def _send(self, ticks: int, *, sync: bool, size: int = 4) -> None:
        parameters = SMALL if self.segmenter.track is None else None
        unit = unit_of(self.number, sync=sync, parameters=parameters, size=size, ticks=self.ticks)
        self.segmenter.add(unit, self.arrival_us)
        self.number += 1
        self.ticks += ticks

    def crawl(self, frames: int, sync: bool) -> None:
        """A frame each 8 s, about as long as a segment may be, and then some more."""
        for number in range(frames):
            self._send(720_000, sync=number == 0)
            self.pass_time(8 * SECOND_US)
        for _ in range(10):
            self._send(900, sync=sync)
            self.pass_time(10_000)

    def flood(self, ticks: int) -> None:
        """More than a fragment holds, all at once."""
        for _ in range(5):
            self._send(ticks, sync=False, size=FRAGMENT_BYTES // 2 + 4)

    def pass_time(self, interval_us: int) -> None:
        """Nothing comes for so long."""
        due_us = self.arrival_us + interval_us
        while self.arrival_us + 250_000 <= due_us:
            self.arrival_us += 250_000
            self.look()
        self.arrival_us = due_us

    def jump(self, ticks: int) -> None:
        """The camera's clock is elsewhere."""
        self.ticks += ticks

    def hold(self, held_us: int) -> None:
        """The host stood still."""
        self.arrival_us += held_us

    def look(self) -> None:
        """As the worker does."""
        self.segmenter.close_overdue(self.arrival_us)

    def step(self, step_us: int) -> None:
        """The wall clock of the host is set."""
        self.arrival_us += step_us
        self.segmenter.clock_stepped(step_us)
        self.stepped = True

    def rotate(self, seconds: int) -> None:
        """Another length is configured."""
        self.segmenter.rotate_every(seconds * SECOND_US)

    def session(self) -> None:
        """The camera is reached again."""
        self.segmenter.end_span()
        self.segmenter.start_session(segment_us=540_000_000)

    def abandon(self) -> None:
        """The disk failed."""
        self.segmenter.abandon()


@settings(max_examples=60)
@example([("play", 2, 1, 2_000_000, 1)])  # closed by the clock, and the next one is shown before its end
@example([("crawl", 55, False), ("flood", -90)])
@example([("crawl", 66, False), ("jump", 8_100_000), ("hold", 95_000_000), ("play", 3, 3600, 40_000, 100_000)])
@given(st.lists(STEPS, min_size=1, max_size=14))
def test_no_clock_makes_a_segment_that_the_catalog_refuses(story: list[tuple[object, ...]]) -> None:
    """Frames that freeze, jump, crawl and race; a host that is held, looks late and has its clock set."""
    hostile = Hostile()
    for name, *arguments in story:
        getattr(hostile, str(name))(*arguments)
    hostile.segmenter.end_span()
    commits = hostile.files.commits
    for commit in commits:
        assert commit.end_wall_us >= commit.wall_us, commit
        assert commit.end_wall_us - commit.wall_us <= LONGEST_US
    if not hostile.stepped:
        assert all(after.wall_us >= before.end_wall_us for before, after in pairwise(commits))
