"""How full a disk is, and who goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from storage.spool_room import Droppable, Room, Step, first_to_go, room_of
from tests.small_disk import in_memory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("free", "step"),
    [
        (1000, Step.ENOUGH),
        (301, Step.ENOUGH),
        (300, Step.WARN),
        (151, Step.WARN),
        (150, Step.RELEASE),
        (51, Step.RELEASE),
        (50, Step.GIVE_UP),
        (0, Step.GIVE_UP),
    ],
)
def test_a_step_begins_at_its_percentage(free: int, step: Step) -> None:
    """70, 85 and 95 % of what may be used."""
    assert Room(1000, free).step is step


def test_a_disk_without_size_is_full() -> None:
    """And nothing is divided by it."""
    assert Room(0, 0).step is Step.GIVE_UP


@pytest.mark.parametrize(("free", "excess"), [(51, 0), (50, 1), (20, 31), (0, 51)])
def test_what_has_to_go_is_just_enough(free: int, excess: int) -> None:
    """Once it is gone the disk is below the step, and one byte less would not have done."""
    room = Room(1000, free)
    assert room.excess_bytes == excess
    assert Room(1000, free + excess).step < Step.GIVE_UP
    assert not excess or Room(1000, free + excess - 1).step is Step.GIVE_UP


def _copy(number: int, klass: str, sealed_us: int, size_bytes: int = 10) -> Droppable:
    return Droppable(klass, sealed_us, UUID(int=number), size_bytes)


def test_the_lowest_class_goes_first_and_its_oldest_before() -> None:
    """Whatever the order they come in; a camera that nobody knows has the lowest class."""
    copies = [
        _copy(1, "high", 1),
        _copy(2, "normal", 2),
        _copy(3, "low", 9),
        _copy(4, "low", 5),
        _copy(5, "", 7),
        _copy(6, "normal", 1),
    ]
    assert [each.int for each in first_to_go(copies, 1000, 100)] == [4, 5, 3, 6, 2, 1]


@pytest.mark.parametrize(("excess", "most", "gone"), [(0, 9, 0), (1, 9, 1), (10, 9, 1), (11, 9, 2), (1000, 3, 3)])
def test_no_more_goes_than_has_to(excess: int, most: int, gone: int) -> None:
    """Nor more than one transaction takes."""
    assert len(first_to_go([_copy(number, "low", number) for number in range(8)], excess, most)) == gone


def test_the_room_of_a_disk_is_as_its_files_leave_it(tmp_path: Path) -> None:
    """Of a disk with a known size."""
    with in_memory(tmp_path / "disk", 4 << 20) as disk:
        assert room_of(disk) == (4 << 20, 4 << 20)
        (disk / "file").write_bytes(bytes(1 << 20))
        assert room_of(disk) == (4 << 20, 3 << 20)
