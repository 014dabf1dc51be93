"""Fragment headers: one layout, written and read."""

from __future__ import annotations

import struct

import pytest

from media.boxes import child
from media.errors import Mp4Error
from media.moof import Sample, fragment_header, fragment_samples

SAMPLES = [Sample(5000, 3600, 0, sync=True), Sample(70, 3601, 7200, sync=False), Sample(60, 3599, -3600, sync=False)]


def test_samples_survive_a_moof() -> None:
    """Decode time, sizes, durations, signed offsets and sync flags."""
    header = fragment_header(1, 1 << 40, SAMPLES)
    assert fragment_samples(header[:-8]) == (1 << 40, SAMPLES)


def test_the_header_ends_with_that_of_the_mdat() -> None:
    """The payload follows at once, and the data offset of the trun leads there."""
    header = fragment_header(9, 0, SAMPLES)
    assert header[-8:] == struct.pack(">I4s", 8 + 5130, b"mdat")
    trun = child(header[:-8], b"moof", b"traf", b"trun")
    assert struct.unpack_from(">4sIi", trun) == (b"\x01\x00\x0f\x01", 3, len(header))


def test_the_boxes_are_those_of_the_standard() -> None:
    """A generic box reader finds sequence, decode time and default-base-is-moof."""
    moof = child(fragment_header(7, 90_000, SAMPLES)[:-8], b"moof")
    assert child(moof, b"mfhd") == struct.pack(">II", 0, 7)
    assert child(moof, b"traf", b"tfhd") == struct.pack(">II", 0x020000, 1)
    assert child(moof, b"traf", b"tfdt") == struct.pack(">IQ", 0x01000000, 90_000)


@pytest.mark.parametrize(
    "sample",
    [Sample(-1, 0, 0, sync=True), Sample(1, 1 << 32, 0, sync=True), Sample(1, 1, 1 << 31, sync=True)],
    ids=["negative size", "duration of 13 hours", "offset of 7 hours"],
)
def test_a_number_that_does_not_fit_is_an_error(sample: Sample) -> None:
    """Nothing wraps silently."""
    with pytest.raises(Mp4Error, match="out of range"):
        fragment_header(1, 0, [sample])


def test_a_foreign_moof_is_refused() -> None:
    """A byte of the fixed layout changed, one too few, one too many."""
    moof = fragment_header(1, 0, SAMPLES)[:-8]
    free = [*range(20, 24), *range(60, 68)]  # sequence and decode time
    for place in sorted(set(range(88)) - set(free)):
        with pytest.raises(Mp4Error):
            fragment_samples(moof[:place] + bytes([moof[place] ^ 1]) + moof[place + 1 :])
    for wrong in [b"", moof[:-1], moof + b"\0", moof[:88], moof + bytes(16)]:
        with pytest.raises(Mp4Error):
            fragment_samples(wrong)
