"""What is odd about a camera, in words, since when."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from server.camera_remarks import Remark, Remarks

STREAM = UUID(int=7)
SECOND_US = 1_000_000


def said(remarks: Remarks, now_s: float = 0, *, silent_s: float = 0, **live: Any) -> list[Remark]:
    """Of a camera that records."""
    state = {"state": "recording", **live}
    return remarks.of(STREAM, state, round(now_s * SECOND_US), silent_us=round(silent_s * SECOND_US))


def test_of_a_camera_with_nothing_odd_nothing_is_said() -> None:
    """Also if it lost packets before anybody looked."""
    assert said(Remarks(), conditions={}, lost_packets=7, without_sound=None) == []


def test_conditions_are_said_since_they_hold() -> None:
    """A clock says in which direction it is wrong, where that is known."""
    live: dict[str, Any] = {
        "conditions": {"frozen_picture": 5, "camera_clock": 6},
        "camera_clock_offset_us": -41_200_000,
    }
    assert said(Remarks(), **live) == [
        Remark("frozen_picture", 5, "shows the same picture again and again"),
        Remark("camera_clock", 6, "its clock is 41.2 s slow"),
    ]
    live |= {"conditions": {"camera_clock": 6}, "camera_clock_offset_us": None}
    assert said(Remarks(), **live) == [Remark("camera_clock", 6, "its clock was wrong")]


def test_a_recorder_that_is_silent_is_said_before_all_else() -> None:
    """With its age; one look that came to nothing is not worth a word."""
    assert said(Remarks(), 100, silent_s=0.7) == []
    words = "the recorder has not been heard from for 4 s"
    assert said(Remarks(), 100, silent_s=4.2, conditions={"frozen_timestamps": 5}) == [
        Remark("not_heard", 95_800_000, words),
        Remark("frozen_timestamps", 5, "its timestamps stand still"),
    ]


def test_losses_are_said_while_they_go_on_and_for_a_minute() -> None:
    """Since they began, and how many since then; the next ones count from there."""
    remarks = Remarks()
    assert said(remarks, 100, lost_packets=7) == []
    first = Remark("lost_packets", 110 * SECOND_US, "packets are lost on the way: 3")
    assert said(remarks, 110, lost_packets=10) == [first]
    assert said(remarks, 150, lost_packets=12) == [first._replace(words="packets are lost on the way: 5")]
    assert said(remarks, 210, lost_packets=12) == [first._replace(words="packets are lost on the way: 5")]
    assert said(remarks, 211, lost_packets=12) == []
    again = Remark("lost_packets", 300 * SECOND_US, "packets are lost on the way: 1")
    assert said(remarks, 300, lost_packets=13) == [again]


def test_a_recorder_that_counts_anew_or_says_nothing_has_lost_nothing() -> None:
    """Neither a restart nor the end of a silence is a loss."""
    remarks = Remarks()
    said(remarks, 100, overflowed_packets=7)
    assert said(remarks, 101) == []
    assert said(remarks, 102, overflowed_packets=7) == []
    assert said(remarks, 103, overflowed_packets=2) == []
    (lost,) = said(remarks, 104, overflowed_packets=4)
    assert lost.words == "this host is too slow for its datagrams: 2 found no room"


def test_missing_sound_is_said_since_it_was_seen() -> None:
    """And that it misses again is another matter."""
    remarks = Remarks()
    live: dict[str, Any] = {"without_sound": "no sound: 404 Not Found"}
    assert said(remarks, 1, **live) == said(remarks, 9, **live) == [Remark("without_sound", SECOND_US, *live.values())]
    assert said(remarks, 10, without_sound=None) == []
    assert said(remarks, 11, **live)[0].since_us == 11 * SECOND_US


def test_a_disabled_camera_has_no_remarks() -> None:
    """Nobody expects anything of it."""
    assert said(Remarks(), state="disabled", silent_s=5, conditions={"frozen_picture": 5}) == []
