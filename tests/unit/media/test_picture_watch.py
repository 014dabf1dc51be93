"""A picture that never changes is told from one that does, whatever stands around it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.access_unit import AccessUnit
from media.picture_watch import PictureWatch, picture_print

SECOND_US = 1_000_000


def nal(*units: bytes) -> bytearray:
    """An access unit of these NAL units."""
    return bytearray(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))


def slice_of(seed: int, header: bytes = b"\x65\x88", size: int = 20_000) -> bytes:
    """A coded picture: what differs in a header may change all of it, what follows is its own."""
    return header + random.Random(seed).randbytes(size)


class Camera:
    """A sync sample each so often."""

    def __init__(self, gop_us: int = SECOND_US) -> None:
        self.watch = PictureWatch()
        self.now_us = SECOND_US
        self.ticks = 0
        self.gop_us = gop_us

    def show(self, picture: bytes, groups: int = 1, *, ticks: int = 90_000) -> None:
        """Each with a clock of its own in the metadata, and the picture's number in the header."""
        for _ in range(groups):
            number = self.now_us // self.gop_us % 2
            sei = b"\x06\x05" + self.now_us.to_bytes(8, "big") * 6
            nals = nal(sei, picture[:1] + bytes([number]) + picture[2:])
            self.watch.take(_unit(nals, self.ticks), self.now_us)
            self.now_us += self.gop_us
            self.ticks += ticks


def _unit(nals: bytearray, ticks: int) -> AccessUnit:
    return AccessUnit(nals=nals, rtp_timestamp=ticks & 0xFFFFFFFF, sync=True, lost_packets=0, parameters=None)


@pytest.mark.parametrize(("gop_s", "within_s"), [(1, 21), (4, 24), (10, 20), (12, 24), (13, 13), (18, 18), (27, 27)])
def test_a_frozen_picture_is_found_within_half_a_minute(gop_s: int, within_s: int) -> None:
    """Its clock runs in the metadata and the header counts; and it is over with the first new one."""
    camera = Camera(gop_s * SECOND_US)
    for seed in range(5):
        camera.show(slice_of(seed))
    froze_us = camera.now_us
    while camera.watch.still_since_us is None:
        camera.show(slice_of(99))
    assert camera.watch.still_since_us == froze_us
    assert camera.now_us - gop_s * SECOND_US - froze_us <= within_s * SECOND_US
    camera.show(slice_of(100))
    assert camera.watch.still_since_us is None


def test_a_picture_that_changes_now_and_then_is_not_frozen() -> None:
    """Every 15 s something moves."""
    camera = Camera()
    for seed in range(20):
        camera.show(slice_of(seed), 15)
        assert camera.watch.still_since_us is None


def test_a_film_that_begins_anew_with_each_session_is_not_frozen() -> None:
    """Half a minute lies between two equal pictures, and nothing was sent in it."""
    camera = Camera(30 * SECOND_US)
    for _ in range(2):
        camera.watch.begin_session()
        camera.show(slice_of(1))
        assert camera.watch.still_since_us is None
        assert camera.watch.stuck_since_us is None


def test_timestamps_that_stand_still_in_long_groups_are_found_with_the_first_repetition() -> None:
    """As pictures are."""
    camera = Camera(20 * SECOND_US)
    camera.show(slice_of(1), ticks=0)
    camera.show(slice_of(2), ticks=0)
    assert camera.watch.stuck_since_us == SECOND_US
    assert camera.watch.still_since_us is None


def test_timestamps_that_stand_still_are_found_though_the_picture_moves() -> None:
    """And are over when they go on."""
    camera = Camera()
    for seed in range(30):
        camera.show(slice_of(seed), ticks=0)
    assert camera.watch.still_since_us is None
    assert camera.watch.stuck_since_us == SECOND_US
    camera.ticks += 90_000
    camera.show(slice_of(31))
    assert camera.watch.stuck_since_us is None


@pytest.mark.parametrize("where", [0.0, 0.5, 0.99])
def test_a_change_anywhere_in_the_picture_changes_its_print(where: float) -> None:
    """An encoder's output is another from there to its end, or has another length."""
    before = slice_of(1, size=100_000)
    at = 200 + round(where * 99_000)
    after = before[:at] + random.Random(2).randbytes(len(before) - at)
    assert picture_print(nal(before)) != picture_print(nal(after))
    assert picture_print(nal(before)) != picture_print(nal(before[:at] + before[at + 1 :]))


def test_each_of_several_slices_counts() -> None:
    """Something moves in the one that is not the largest: its length tells."""
    rest = [slice_of(seed, size=5000) for seed in range(3)]
    largest = slice_of(9, size=6000)
    assert picture_print(nal(largest, *rest)) != picture_print(nal(largest, *rest[:2], rest[2][:-1]))


def test_sixty_pictures_a_second_are_not_all_looked_at() -> None:
    """A stream of sync samples alone costs no more than another."""
    watch = PictureWatch()
    for number in range(60):
        watch.take(_unit(nal(slice_of(number, size=100)), number), SECOND_US + number * 16_667)
    assert len(watch._prints) == 2


@given(st.binary(max_size=3000))
def test_no_bytes_are_too_strange(unit: bytes) -> None:
    """What is no sequence of NAL units, as OBUs, has a print as well: its own length, its own end."""
    assert picture_print(unit) == picture_print(bytearray(unit))
    if len(unit) > 200:
        assert picture_print(unit) != picture_print(unit[:-1] + bytes([unit[-1] ^ 1]))
