"""Payloads into access units: how units are cut, and what cameras do. Damage: test_h264_damage."""

from __future__ import annotations

import pytest

from media.h264_parameters import ParameterSets
from tests.builders_h264 import (
    AUD,
    IDR,
    IDR_REST,
    PPS,
    SEI,
    SETS,
    SLICE,
    SLICE_REST,
    SPS,
    Receiver,
    fragments,
    stap,
    with_start_codes,
)

# --- how units are cut


def test_a_unit_ends_with_the_marker() -> None:
    """Without waiting for the next one."""
    receiver = Receiver()
    receiver.push(SEI, 10)
    receiver.push(IDR, 10, marker=True)
    assert receiver.nals == [[SEI, IDR]]
    (unit,) = receiver.units
    assert (unit.rtp_timestamp, unit.sync, unit.lost_packets, unit.parameters) == (10, True, 0, None)


def test_a_unit_ends_with_another_timestamp() -> None:
    """Some cameras never set the marker."""
    receiver = Receiver()
    for timestamp, nal in enumerate((IDR, SLICE, SLICE)):
        receiver.push(nal, timestamp)
    assert receiver.nals == [[IDR], [SLICE]]
    assert [unit.sync for unit in receiver.units] == [True, False]


def test_one_packet_may_end_two_units() -> None:
    """The one before, by its timestamp, and its own, by its marker."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(SLICE, 2, marker=True)
    assert receiver.nals == [[IDR], [SLICE]]


def test_all_slices_of_a_picture_are_one_unit() -> None:
    """GStreamer repeats the parameter sets before each of them."""
    nals = [AUD, SPS, PPS, SEI, IDR, SPS, PPS, IDR_REST, IDR_REST]
    receiver = Receiver()
    receiver.push_unit(nals, 1, max_payload_bytes=100)
    assert receiver.nals == [nals]
    assert receiver.units[0].parameters == SETS


def test_aggregated_and_fragmented_units_come_out_bit_identical() -> None:
    """In order, whatever carried them."""
    receiver = Receiver()
    receiver.push(stap(AUD, SPS, PPS), 1)
    for payload in fragments(IDR, 5):
        receiver.push(payload, 1)
    receiver.push(SEI, 1)
    for payload in fragments(IDR_REST, 2):
        receiver.push(payload, 1)
    receiver.push(stap(IDR_REST, SEI), 1, marker=True)
    assert receiver.nals == [[AUD, SPS, PPS, IDR, SEI, IDR_REST, IDR_REST, SEI]]
    assert receiver.errors == []


def test_an_empty_payload_changes_nothing_but_may_carry_the_marker() -> None:
    """Some encoders send it so."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(b"", 1)
    receiver.push(b"", 1, marker=True)
    receiver.push(b"", 2, marker=True)
    assert receiver.nals == [[IDR]]


# --- parameter sets


def test_parameters_come_with_the_first_unit_and_with_changes() -> None:
    """A repetition is no change (quirk V15)."""
    other_pps = PPS[:-1] + b"\xc1"
    receiver = Receiver()
    for timestamp, nals in enumerate(
        ([SLICE], [SPS, PPS, IDR], [SPS, PPS, IDR], [SLICE], [other_pps, SLICE], [SPS, PPS, IDR])
    ):
        receiver.push_unit(nals, timestamp)
    changed = ParameterSets(sps=(SPS,), pps=(other_pps,))
    assert [unit.parameters for unit in receiver.units] == [None, SETS, None, None, changed, SETS]


def test_parameters_of_the_description_come_with_the_first_unit() -> None:
    """Those in the stream only where they differ."""
    receiver = Receiver(SETS)
    receiver.push_unit([SLICE], 1)
    receiver.push_unit([SPS, PPS, IDR], 2)
    assert [unit.parameters for unit in receiver.units] == [SETS, None]


def test_an_unreadable_parameter_set_stays_in_its_unit() -> None:
    """It is counted, and does not replace the ones in use."""
    broken = b"\x67\x64"
    receiver = Receiver(SETS)
    receiver.push_unit([broken, PPS, IDR], 1)
    assert receiver.nals == [[broken, PPS, IDR]]
    assert receiver.units[0].parameters == SETS
    assert receiver.depacketizer.unusable_sets == 1


# --- what cameras do


def test_marked_parameter_sets_with_another_timestamp_belong_to_the_next_picture() -> None:
    """Reolink RLC-822A: SPS marked, PPS, then the IDR with another timestamp (quirk V1)."""
    receiver = Receiver()
    receiver.push(SPS, 100, marker=True)
    receiver.push(PPS, 100)
    receiver.push(IDR, 200, marker=True)
    assert receiver.nals == [[SPS, PPS, IDR]]
    assert receiver.units[0].rtp_timestamp == 200


def test_parameter_sets_with_the_timestamp_of_the_picture_before() -> None:
    """Belong to the next one (quirk V2)."""
    receiver = Receiver()
    receiver.push(SLICE, 100, marker=True)
    receiver.push(SPS, 100)
    receiver.push(PPS, 100)
    receiver.push(IDR, 200, marker=True)
    assert receiver.nals == [[SLICE], [SPS, PPS, IDR]]
    assert [unit.rtp_timestamp for unit in receiver.units] == [100, 200]
    assert receiver.lost == [0, 0]


def test_a_unit_does_not_end_on_a_marked_parameter_set() -> None:
    """LV-IP22IR40DVBL marks SPS, PPS and SEI (quirk V3)."""
    receiver = Receiver()
    for nal in (SPS, PPS, SEI):
        receiver.push(nal, 1, marker=True)
    receiver.push(IDR, 1, marker=True)
    assert receiver.nals == [[SPS, PPS, SEI, IDR]]


@pytest.mark.parametrize("fragment_count", range(1, 60))
def test_start_codes_inside_an_sps_are_split(fragment_count: int) -> None:
    """V380 sends SPS, PPS and IDR as one NAL unit in FU-A; a start code may span packets (quirk V4)."""
    receiver = Receiver()
    picture = b"\x65\x88" + bytes(range(1, 12))
    joined = with_start_codes([SPS, PPS, picture])[4:]
    payloads = fragments(joined, fragment_count) if fragment_count in valid_counts(joined) else [joined]
    for payload in payloads:
        receiver.push(payload, 1, marker=payload is payloads[-1])
    assert receiver.nals == [[SPS, PPS, picture]]
    assert receiver.units[0].sync
    assert receiver.units[0].parameters == SETS


def valid_counts(nal: bytes) -> set[int]:
    """Into how many fragments of one size a NAL unit can be cut."""
    return {-(-(len(nal) - 1) // step) for step in range(1, len(nal) - 1)}


@pytest.mark.parametrize("wrap", [lambda nal: nal, stap])
def test_start_codes_inside_a_whole_sps_are_split(wrap: object) -> None:
    """In a single NAL unit and in a STAP-A too."""
    assert callable(wrap)
    receiver = Receiver()
    receiver.push(wrap(with_start_codes([SPS, PPS, IDR])[4:]), 1, marker=True)
    assert receiver.nals == [[SPS, PPS, IDR]]


@pytest.mark.parametrize("first", [4, 3])
def test_a_payload_that_is_a_byte_stream_is_split(first: int) -> None:
    """With a start code of 3 or 4 bytes in front."""
    receiver = Receiver()
    receiver.push(with_start_codes([SPS, PPS, IDR])[4 - first :], 1, marker=True)
    assert receiver.nals == [[SPS, PPS, IDR]]
    assert receiver.errors == []


def test_the_reserved_bit_of_fragments_is_ignored() -> None:
    """Longse, HeroSpeed (quirk V9)."""
    receiver = Receiver()
    payloads = fragments(IDR, 4)
    for payload in payloads:
        receiver.push(payload[:1] + bytes([payload[1] | 0x20]) + payload[2:], 1, marker=payload is payloads[-1])
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_a_type_that_changes_between_fragments_is_the_first_one() -> None:
    """Tiandy (quirk V10)."""
    receiver = Receiver()
    payloads = fragments(IDR, 4)
    for index, payload in enumerate(payloads):
        other = bytes([payload[1] & 0xE0 | 1]) if index else payload[1:2]
        receiver.push(payload[:1] + other + payload[2:], 1, marker=payload is payloads[-1])
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_a_single_fragment_may_be_a_whole_nal_unit() -> None:
    """OpenIPC sets start and end bit (quirk V11)."""
    receiver = Receiver()
    receiver.push(b"\x7c" + bytes([0xC0 | 5]) + IDR[1:], 1, marker=True)
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_empty_fragments_are_accepted() -> None:
    """At the start, inside and at the end (quirk V12)."""
    receiver = Receiver()
    for payload in (b"\x7c\x85", b"\x7c\x05" + IDR[1:], b"\x7c\x05", b"\x7c\x45"):
        receiver.push(payload, 1, marker=payload == b"\x7c\x45")
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_start_codes_are_found_behind_whatever_comes_first() -> None:
    """A delimiter; an SEI where parameter sets follow it (quirk V4)."""
    for first in (AUD, SEI):
        receiver = Receiver()
        receiver.push(with_start_codes([first, SPS, PPS, IDR])[4:], 1, marker=True)
        assert receiver.nals == [[first, SPS, PPS, IDR]]


def test_a_camera_that_strings_nal_units_together_may_do_so_in_any_picture() -> None:
    """Several slices; from the first sync sample on, or from the first that shows it."""
    for first in ([IDR, IDR_REST], [SPS, PPS, IDR]):
        receiver = Receiver()
        receiver.push(with_start_codes(first)[4:], 1, marker=True)
        receiver.push(with_start_codes([SLICE, SLICE_REST])[4:], 2, marker=True)
        assert receiver.nals == [first, [SLICE, SLICE_REST]]


def test_what_looks_like_a_start_code_in_an_sei_message_is_left_alone() -> None:
    """Some cameras write raw structures there; no picture may be made of them."""
    sei = SEI + b"\x00\x00\x01\x65\x88 of no picture"
    receiver = Receiver()
    receiver.push(sei, 1)
    receiver.push(IDR, 1, marker=True)
    assert receiver.nals == [[sei, IDR]]


def test_order_numbers_of_interleaved_mode_are_passed_over() -> None:
    """STAP-B, and FU-B whose later fragments are FU-A (RFC 6184 5.7.1, 5.8)."""
    receiver = Receiver()
    receiver.push(b"\x79\x00\x07" + stap(SPS, PPS)[1:], 1)
    first, *others = fragments(IDR, 4)
    receiver.push(b"\x7d" + first[1:2] + b"\x00\x08" + first[2:], 1)
    for payload in others:
        receiver.push(payload, 1, marker=payload is others[-1])
    assert (receiver.nals, receiver.errors) == ([[SPS, PPS, IDR]], [])


def test_a_camera_that_sends_plain_pictures_is_believed_from_its_first_sync_sample_on() -> None:
    """To search each picture for what is not there would take longer than to put it together."""
    odd = SLICE + b"\x00\x00\x01\x65\x88"
    receiver = Receiver()
    for timestamp, nal in enumerate((IDR, odd)):
        receiver.push(nal, timestamp, marker=True)
    assert receiver.nals == [[IDR], [odd]]
