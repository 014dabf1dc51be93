"""Access units that grow, or lose their parameter sets."""

from __future__ import annotations

import pytest

from media.nal import nal_type
from simulator.codec_h264 import FILLER, H264
from simulator.frame_faults import flooded, units_of, without_parameter_sets
from simulator.oracle import camera_uuid, checksum, find_sei
from simulator.source import CodedFrame

SPS, PPS = b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xc8", b"\x68\xce\x38\x80"
SYNC = [SPS, PPS, b"\x65" + b"\x55" * 9000]
OTHER = [b"\x41" + b"\x33" * 900]


@pytest.mark.parametrize("nals", [SYNC, OTHER])
@pytest.mark.parametrize("marked", [True, False])
def test_an_access_unit_is_taken_apart_again(nals: list[bytes], *, marked: bool) -> None:
    """Whatever its packets: aggregated, whole, in fragments."""
    assert units_of(CodedFrame.from_units(H264(), nals, marked=marked)) == nals


@pytest.mark.parametrize("factor", [2, 20, 100])
@pytest.mark.parametrize("nals", [SYNC, OTHER])
def test_a_flooded_frame_is_so_many_times_as_large(nals: list[bytes], factor: int) -> None:
    """Its own NAL units come first, unchanged; the checksum is that of all."""
    frame = CodedFrame.from_units(H264(), nals, marked=True)
    grown = flooded(frame, factor)
    sent = units_of(grown)
    assert sent[: len(nals)] == nals
    assert {nal_type(nal) for nal in sent[len(nals) :]} == {FILLER}
    ratio = sum(len(nal) for nal in sent) / sum(len(nal) for nal in nals)
    assert factor * 0.95 < ratio < factor * 1.05
    assert (grown.crc32, grown.sync) == (checksum(sent), frame.sync)


def test_the_mark_covers_what_is_sent() -> None:
    """It is still in front of the picture, and has the new checksum."""
    grown = flooded(CodedFrame.from_units(H264(), SYNC, marked=True), 3)
    payloads = grown.payloads(camera_uuid("a"), 7, 8)
    mark = find_sei(payloads)
    assert mark is not None
    assert mark.crc32 == grown.crc32


def test_parameter_sets_are_left_out() -> None:
    """And the checksum is that of what is left."""
    bare = without_parameter_sets(CodedFrame.from_units(H264(), SYNC, marked=True))
    assert units_of(bare) == SYNC[2:]
    assert (bare.crc32, bare.sync, bare.marked) == (checksum(SYNC[2:]), True, True)


def test_a_frame_without_parameter_sets_is_not_touched() -> None:
    """There is nothing to leave out."""
    frame = CodedFrame.from_units(H264(), OTHER, marked=True)
    assert without_parameter_sets(frame) is frame
