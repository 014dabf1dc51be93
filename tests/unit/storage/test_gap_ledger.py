"""The gap rules, one by one."""

from __future__ import annotations

import pytest

from media.errors import GapReason
from storage.coverage import Interval
from storage.gap_ledger import GapLedger
from storage.model import Gap
from tests.builders_catalog import SECOND, STREAM, T0, at


def footage(start: float, end: float) -> Interval:
    """Footage between two instants, in seconds after T0."""
    return Interval(at(start), at(end))


def gap(start: float, end: float | None, reason: GapReason = GapReason.STALLED, detail: str = "") -> Gap:
    """A row."""
    return Gap(stream=STREAM, start_us=at(start), end_us=None if end is None else at(end), reason=reason, detail=detail)


def ledger(*gaps: Gap, recorded: tuple[Interval, ...] = ()) -> GapLedger:
    """A ledger of these rows and this footage."""
    return GapLedger(STREAM, gaps, recorded)


def shown(book: GapLedger) -> list[tuple[float, float | None, str]]:
    """The rows in seconds after T0."""
    return [
        ((row.start_us - T0) / SECOND, None if row.end_us is None else (row.end_us - T0) / SECOND, row.reason.value)
        for row in book.gaps
    ]


def test_a_gap_is_open_until_it_is_closed() -> None:
    """What the recorder opens and closes is one row with both edges."""
    book = ledger(recorded=(footage(0, 10),))
    book.open(at(10), GapReason.STALLED)
    assert shown(book) == [(10, None, "stalled")]
    book.close(at(25))
    assert shown(book) == [(10, 25, "stalled")]


def test_another_reason_ends_the_gap_that_is_open() -> None:
    """The rows meet: no instant has two reasons."""
    book = ledger(gap(10, None, GapReason.STALLED))
    book.open(at(15), GapReason.UNREACHABLE)
    assert shown(book) == [(10, 15, "stalled"), (15, None, "unreachable")]


def test_a_clock_behind_the_beginning_of_the_stream_declares_nothing_before_it() -> None:
    """A host without a battery starts in 1970: that is no gap of half a century."""
    book = ledger(gap(0, 10), recorded=(footage(10, 20),))
    book.start(at(-1_000_000), since_us=at(0), reason=GapReason.CRASH)
    book.open(at(-999_000), GapReason.UNREACHABLE)
    assert shown(book) == [(0, 10, "stalled"), (20, None, "unreachable")]
    book.close(at(-998_000))
    assert shown(book) == [(0, 10, "stalled")]


def test_the_same_reason_goes_on_in_the_same_row() -> None:
    """Reconnecting in vain for an hour is one gap."""
    book = ledger(gap(10, None))
    book.open(at(15), GapReason.STALLED)
    assert shown(book) == [(10, None, "stalled")]


def test_a_reason_that_becomes_known_later_replaces_the_one_assumed() -> None:
    """A gap that is opened anew at its own start has only the second reason."""
    book = ledger(gap(10, None, GapReason.NO_SYNC))
    book.open(at(10), GapReason.AUTH)
    assert shown(book) == [(10, None, "auth")]


def test_a_gap_that_ends_where_it_began_never_was() -> None:
    """No row is empty."""
    book = ledger(gap(10, None))
    book.close(at(10))
    assert shown(book) == []


def test_footage_wins_inside_a_gap() -> None:
    """Segments of a dead run that are registered late split the gap that was declared over them."""
    book = ledger(gap(10, 50, GapReason.CRASH))
    book.cover(footage(20, 30))
    assert shown(book) == [(10, 20, "crash"), (30, 50, "crash")]


def test_footage_trims_the_edges_of_gaps() -> None:
    """A gap never claims a recorded instant, however the clocks of both were read."""
    book = ledger(gap(10, 20), gap(30, 40))
    book.cover(footage(18, 33))
    assert shown(book) == [(10, 18, "stalled"), (33, 40, "stalled")]


def test_a_gap_within_a_second_of_footage_reaches_up_to_it() -> None:
    """The recorder reads its clock when it notices, a moment after the last frame; the moment is missing, too."""
    book = ledger(gap(10.2, 20), gap(32, None))
    book.cover(footage(0, 10))
    book.cover(footage(20.9, 31.5))
    assert shown(book) == [(10, 20.9, "stalled"), (31.5, None, "stalled")]


def test_a_gap_farther_from_footage_stays_where_it_is() -> None:
    """What lies between may be footage that is still to be registered."""
    book = ledger(gap(12, 20))
    book.cover(footage(0, 10))
    book.cover(footage(22, 30))
    assert shown(book) == [(12, 20, "stalled")]


def test_footage_drops_a_gap_that_it_covers() -> None:
    """What was recorded was not missing."""
    book = ledger(gap(12, 15))
    book.cover(footage(10, 20))
    assert shown(book) == []


def test_the_first_footage_after_an_open_gap_ends_it() -> None:
    """A record of its end may have been lost with the process."""
    book = ledger(gap(10, None))
    book.cover(footage(25, 85))
    assert shown(book) == [(10, 25, "stalled")]


@pytest.mark.parametrize("reason", [GapReason.SPOOL_FULL, GapReason.DISK_ERROR])
def test_what_was_taken_back_from_a_disk_that_still_fails_does_not_end_its_gap(reason: GapReason) -> None:
    """A file that was given up is copied while the next one is refused: what follows it is missing for that reason."""
    book = ledger(gap(10, None, reason))
    book.cover(footage(25, 30))
    assert shown(book) == [(10, 25, reason.value), (30, None, reason.value)]
    book.close(at(45))
    book.cover(footage(45, 60))
    assert shown(book) == [(10, 25, reason.value), (30, 45, reason.value)]


def test_an_open_gap_that_began_inside_footage_begins_after_it() -> None:
    """A camera is disabled while its last segment is still being written."""
    book = ledger(gap(10, None, GapReason.CAMERA_DISABLED))
    book.cover(footage(0, 11))
    assert shown(book) == [(11, None, "camera_disabled")]


def test_a_run_that_starts_ends_whatever_was_open() -> None:
    """The gap before keeps its reason, the new one has none yet but `no_sync`."""
    book = ledger(gap(10, None, GapReason.CRASH))
    book.start(at(20), since_us=at(0), reason=GapReason.CRASH)
    assert shown(book) == [(10, 20, "crash"), (20, None, "no_sync")]


def test_a_run_that_starts_declares_what_nobody_did() -> None:
    """From the last footage to the start of the run is the time without a recorder."""
    book = ledger(recorded=(footage(0, 10),))
    book.start(at(20), since_us=at(-5), reason=GapReason.SHUTDOWN)
    assert shown(book) == [(10, 20, "shutdown"), (20, None, "no_sync")]


def test_the_first_run_of_a_stream_declares_from_when_it_was_expected() -> None:
    """Nothing is known before, and nothing was recorded since."""
    book = ledger()
    book.start(at(20), since_us=at(15), reason=GapReason.SHUTDOWN)
    assert shown(book) == [(15, 20, "shutdown"), (20, None, "no_sync")]


def test_holes_are_declared_tightly() -> None:
    """Filling covers exactly what is neither footage nor declared."""
    book = ledger(gap(20, 30), recorded=(footage(0, 10), footage(40, 50)))
    made = book.fill(at(0), at(60), GapReason.CRASH)
    assert shown(book) == [(10, 20, "crash"), (20, 30, "stalled"), (30, 40, "crash"), (50, 60, "crash")]
    assert len(made) == 3


def test_a_hole_of_less_than_a_second_belongs_to_the_gap_beside_it() -> None:
    """One missing interval is one row, though two clock readings describe its edges."""
    book = ledger(gap(10.4, 20), recorded=(footage(0, 10), footage(20.3, 30)))
    book.fill(at(0), at(30), GapReason.CRASH)
    assert shown(book) == [(10, 20.3, "stalled")]


def test_gaps_of_one_reason_within_a_second_are_one_row() -> None:
    """Only footage between them keeps them apart."""
    book = ledger(gap(10, 20), gap(20.5, 30))
    book.fill(at(10), at(30), GapReason.CRASH)
    assert shown(book) == [(10, 30, "stalled")]
    parted = ledger(gap(10, 20), gap(20.5, 30), recorded=(footage(20, 20.5),))
    parted.fill(at(10), at(30), GapReason.CRASH)
    assert shown(parted) == [(10, 20, "stalled"), (20.5, 30, "stalled")]


def test_what_follows_the_last_known_instant_is_a_gap_that_lasts() -> None:
    """A dead run's streams are declared until another run takes them over."""
    book = ledger(recorded=(footage(0, 10), footage(12, 20)))
    book.fill_open(at(0), GapReason.CRASH)
    assert shown(book) == [(10, 12, "crash"), (20, None, "crash")]


def test_a_gap_that_lasts_already_is_not_opened_twice() -> None:
    """Settling a run again changes nothing."""
    book = ledger(gap(20, None, GapReason.UNREACHABLE), recorded=(footage(0, 20),))
    book.fill_open(at(0), GapReason.CRASH)
    assert shown(book) == [(20, None, "unreachable")]


def test_a_gap_opened_in_the_past_leaves_footage_alone() -> None:
    """A fragment that was lost in the middle is declared where it is missing, and the open row lies behind all."""
    book = ledger(recorded=(footage(0, 10), footage(12, 20)))
    book.open(at(9), GapReason.DISK_ERROR)
    assert shown(book) == [(10, 12, "disk_error"), (20, None, "disk_error")]
