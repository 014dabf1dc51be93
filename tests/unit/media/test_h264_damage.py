"""What loss, joining late and malformed packets do to access units."""

from __future__ import annotations

import pytest

from media.h264_parameters import ParameterSets
from media.nal import split_length_prefixed
from tests.builders_h264 import (
    FILLER,
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
)

# --- loss


@pytest.mark.parametrize("missing", range(6))
def test_a_nal_unit_with_a_fragment_missing_is_dropped(missing: int) -> None:
    """The rest of its unit stays, and carries the count (quirk V14)."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    payloads = fragments(IDR_REST, 6)
    for index, payload in enumerate(payloads):
        if index != missing:
            receiver.push(payload, 1, lost=int(index == missing + 1))
    receiver.push(SEI, 1, marker=True, lost=int(missing == 5))
    assert receiver.nals == [[IDR, SEI]]
    assert receiver.lost == [1]
    assert receiver.errors == []


def test_whole_slices_around_a_loss_are_kept() -> None:
    """Only what a lost packet was part of goes."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(IDR_REST, 1, lost=3, marker=True)
    assert receiver.nals == [[IDR, IDR_REST]]
    assert receiver.lost == [3]


def test_a_unit_that_lost_its_picture_is_dropped_and_its_count_moves_on() -> None:
    """With its SEI, which described a picture that is not there."""
    receiver = Receiver()
    receiver.push(SEI, 1)
    payloads = fragments(IDR, 4)
    receiver.push(payloads[0], 1)
    receiver.push(payloads[2], 1, lost=1)
    receiver.push(payloads[3], 1, marker=True)
    receiver.push(SLICE, 2, marker=True, lost=2)
    receiver.push(SLICE, 3, marker=True)
    assert receiver.nals == [[SLICE], [SLICE]]
    assert receiver.lost == [3, 0]
    assert receiver.errors == []


def test_loss_across_the_border_damages_the_unit_that_lacks_its_end() -> None:
    """One packet is missing: that was the one with the marker. The next unit is whole."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(SLICE, 2, lost=1, marker=True)
    assert receiver.lost == [1, 0]


def test_without_markers_a_packet_lost_between_two_units_may_be_of_either() -> None:
    """Both carry it: the second may have lost its parameter sets, or its first slice."""
    receiver = Receiver()
    for timestamp in (1, 2):
        receiver.push(SLICE, timestamp)
    receiver.push(SLICE_REST, 3, lost=1)
    receiver.push(SLICE, 4)
    receiver.push(SLICE, 5, marker=True)
    receiver.push(SLICE, 6)
    receiver.push(SLICE, 7, lost=1, marker=True)
    assert receiver.lost == [0, 1, 1, 0, 0, 1, 0]


def test_more_loss_across_the_border_damages_both_units() -> None:
    """The sum stays."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(SLICE, 2, lost=5, marker=True)
    assert receiver.lost == [1, 4]


def test_loss_between_whole_units_belongs_to_the_next() -> None:
    """The unit before ended with its marker."""
    receiver = Receiver()
    receiver.push(IDR, 1, marker=True)
    receiver.push(SLICE, 3, lost=2, marker=True)
    receiver.push(SLICE, 4, marker=True)
    assert receiver.lost == [0, 2, 0]


def test_an_sei_without_its_picture_does_not_get_into_the_next_unit() -> None:
    """Loss between the two, or between the SEI and the rest of its unit."""
    receiver = Receiver()
    receiver.push(SEI, 1)
    receiver.push(SLICE, 2, lost=1, marker=True)
    receiver.push(SEI, 3)
    receiver.push(SEI, 3, lost=1)
    receiver.push(SLICE, 4, marker=True)
    assert (receiver.nals, receiver.lost) == ([[SLICE], [SLICE]], [1, 1])


def test_after_a_marker_a_unit_without_its_picture_is_over() -> None:
    """Parameter sets with its timestamp belong to the next one (quirk V2)."""
    receiver = Receiver()
    receiver.push(SEI, 1)
    receiver.push(SEI, 1, lost=1, marker=True)
    receiver.push(stap(SPS, PPS), 1)
    receiver.push(IDR, 2, marker=True)
    assert (receiver.nals, receiver.lost) == ([[SPS, PPS, IDR]], [1])


def test_filler_of_a_lost_picture_does_not_get_into_the_next_unit() -> None:
    """Nor does filler of one that went by before we joined. Without a loss it is kept, wherever it is."""
    receiver = Receiver()
    receiver.push(FILLER, 1, marker=True)
    receiver.push(IDR, 2, marker=True)
    receiver.push(FILLER, 3, lost=2, marker=True)
    receiver.push(SLICE, 4, marker=True)
    receiver.push(FILLER, 4)
    receiver.push(SLICE, 5, marker=True)
    assert (receiver.nals, receiver.lost) == ([[IDR], [SLICE], [FILLER, SLICE]], [0, 2, 0])


def test_loss_explains_fragments_without_end_or_start() -> None:
    """They are no error then."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(fragments(IDR_REST, 3)[0], 1)
    receiver.push(SLICE, 2, lost=3, marker=True)
    receiver.push(fragments(SLICE, 3)[1], 3, lost=2)
    receiver.push(fragments(SLICE, 3)[2], 3, marker=True)
    receiver.push(SLICE, 4, marker=True)
    assert (receiver.nals, receiver.errors) == ([[IDR], [SLICE], [SLICE]], [])
    assert receiver.lost == [1, 2, 2]


def test_parameter_sets_of_a_lost_picture_are_not_forgotten() -> None:
    """They come with the unit that is emitted next."""
    receiver = Receiver()
    receiver.push(stap(SPS, PPS), 1)
    receiver.push(SLICE, 2, lost=4, marker=True)
    assert receiver.units[0].parameters == SETS


# --- joining


def test_the_rest_of_a_picture_from_before_we_joined_is_skipped() -> None:
    """Fragments without a start are no error then; later units are whole."""
    receiver = Receiver()
    for payload in fragments(IDR, 4)[2:]:
        receiver.push(payload, 1, marker=payload[1] & 0x40 != 0)
    receiver.push(SLICE, 2, marker=True)
    assert (receiver.nals, receiver.lost, receiver.errors) == ([[SLICE]], [0], [])
    receiver = Receiver()
    receiver.push(fragments(IDR, 4)[2], 1)
    receiver.push(SLICE, 2, marker=True)
    assert (receiver.nals, receiver.lost, receiver.errors) == ([[SLICE]], [0], [])


def test_joining_within_a_picture_is_damage() -> None:
    """Its first slice went by: fragments without a start, or a first slice that is none."""
    receiver = Receiver()
    receiver.push(fragments(IDR, 4)[3], 1)
    receiver.push(IDR_REST, 1, marker=True)
    assert (receiver.nals, receiver.lost) == ([[IDR_REST]], [1])
    receiver = Receiver()
    receiver.push(IDR_REST, 1, marker=True)
    receiver.push(IDR_REST, 2, marker=True)
    assert receiver.lost == [1, 0]


# --- malformed packets


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"\x79\x00", "order number"),
        (b"\x79\x00\x00\x00", "lengths do not fit"),
        (b"\x7a" + bytes(10), "MTAP16"),
        (b"\x7b" + bytes(10), "MTAP24"),
        (b"\x7d\x85\x00", "order number"),
        (b"\x7e" + bytes(10), "0x7e"),
        (b"\x7f" + bytes(10), "0x7f"),
        (b"\x00" + bytes(10), "type 0"),
        (b"\x00", "type 0"),
        (b"\xe5" + bytes(10), "0xe5"),
        (b"\x7c", "without its header"),
        (b"\x7c\x80" + bytes(10), "type 0"),
        (b"\x7c\x9c" + bytes(10), "type 28"),
        (b"\x7c\x05" + bytes(10), "without a start"),
        (stap(SEI)[:-1], "STAP-A"),
        (b"\x78\x00", "STAP-A"),
        (b"\x78\x00\x00", "STAP-A"),
        (stap(b"\xe5" + bytes(5)), "0xe5"),
        (stap(b"\x78\x00\x01\x41"), "0x78"),
    ],
)
def test_a_malformed_packet_is_damage_to_its_unit_alone(payload: bytes, problem: str) -> None:
    """It is named, the unit goes on, the next one is whole."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(payload, 1)
    receiver.push(IDR_REST, 1, marker=True)
    receiver.push(SLICE, 2, marker=True)
    assert receiver.nals == [[IDR, IDR_REST], [SLICE]]
    assert receiver.lost == [1, 0]
    assert len(receiver.errors) == 1
    assert problem in receiver.errors[0]


def test_what_stands_before_the_error_in_an_aggregate_is_kept() -> None:
    """And what is after it is not guessed at."""
    receiver = Receiver()
    receiver.push(stap(SPS, PPS, IDR) + b"\xff\xff\x06", 1, marker=True)
    assert (receiver.nals, receiver.lost, len(receiver.errors)) == ([[SPS, PPS, IDR]], [1], 1)


def test_an_aggregate_without_units_is_nothing() -> None:
    """No more than an empty payload."""
    receiver = Receiver()
    receiver.push(b"\x78", 1)
    receiver.push(IDR, 1, marker=True)
    assert (receiver.nals, receiver.lost, receiver.errors) == ([[IDR]], [0], [])


def test_fragments_that_never_end_are_reported_and_the_new_packet_still_counts() -> None:
    """Another timestamp, without any loss (quirk V13)."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(fragments(IDR_REST, 3)[0], 1)
    receiver.push(SLICE, 2, marker=True)
    assert receiver.nals == [[IDR], [SLICE]]
    assert receiver.lost == [1, 0]
    assert receiver.errors == ["a fragmented NAL unit did not end before the timestamp changed"]


@pytest.mark.parametrize("following", [SEI, stap(SEI), fragments(IDR_REST, 3)[0]])
def test_fragments_interrupted_by_another_nal_unit_are_dropped(following: bytes) -> None:
    """Likewise."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(fragments(IDR_REST, 3)[0], 1)
    receiver.push(following, 1)
    for payload in fragments(IDR_REST, 3)[1:] if following[0] == 0x7C else []:
        receiver.push(payload, 1)
    receiver.push(SEI, 1, marker=True)
    assert receiver.nals == [[IDR, IDR_REST if following[0] == 0x7C else SEI, SEI]]
    assert receiver.lost == [1]
    assert receiver.errors == ["a fragmented NAL unit did not end before the next one"]


def test_a_marker_before_the_end_of_fragments_ends_the_unit() -> None:
    """Without the NAL unit in question (quirk V17)."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(fragments(IDR_REST, 3)[0], 1)
    receiver.push(fragments(IDR_REST, 3)[1], 1, marker=True)
    receiver.push(SLICE, 2, marker=True)
    assert (receiver.nals, receiver.lost) == ([[IDR], [SLICE]], [1, 0])
    assert receiver.errors == ["a marker inside a fragmented NAL unit"]


def test_fragments_without_a_start_are_reported_once() -> None:
    """Not each of them."""
    receiver = Receiver()
    for payload in fragments(IDR, 2):
        receiver.push(payload, 1)
    for payload in fragments(IDR_REST, 6)[1:]:
        receiver.push(payload, 1, marker=payload[1] & 0x40 != 0)
    assert (receiver.nals, receiver.lost, len(receiver.errors)) == ([[IDR]], [1], 1)


@pytest.mark.parametrize("payload", [b"\x7c\x05" + bytes(500), b"\x06" + bytes(500), stap(b"\x06" + bytes(500))])
def test_a_unit_has_a_largest_size(payload: bytes) -> None:
    """Past it the unit is dropped and its memory freed; the next one is whole."""
    receiver = Receiver(max_unit_bytes=10_000)
    receiver.push(IDR, 1)
    receiver.push(b"\x7c\x85" + bytes(500), 1)
    for _ in range(100):
        receiver.push(payload, 1)
        assert len(receiver.depacketizer._nals) <= 10_000 + len(payload)
    receiver.push(payload, 1, marker=True)
    assert receiver.units == []
    assert "an access unit of more than 10000 bytes" in receiver.errors
    errors = len(receiver.errors)
    receiver.push(SLICE, 2, marker=True)
    assert receiver.nals == [[SLICE]]
    assert receiver.lost[0] >= 1
    assert len(receiver.errors) == errors <= 2


def test_units_without_a_picture_do_not_pile_up() -> None:
    """They wait for one (rule 2), but not without a bound."""
    receiver = Receiver(max_unit_bytes=1000)
    for timestamp in range(1000):
        receiver.push(SEI, timestamp, marker=True)
        assert len(receiver.depacketizer._nals) <= 1000
    assert receiver.units == []
    assert receiver.errors != []


def test_units_are_not_touched_after_they_were_emitted() -> None:
    """They belong to whoever took them."""
    receiver = Receiver()
    receiver.push_unit([SPS, PPS, IDR, IDR_REST], 1, 50)
    before = bytes(receiver.units[0].nals)
    receiver.push_unit([SLICE, SLICE_REST], 2, 50)
    assert bytes(receiver.units[0].nals) == before
    assert split_length_prefixed(before) == [SPS, PPS, IDR, IDR_REST]


# --- what a hostile camera can make us do


def test_a_packet_of_tiny_nal_units_is_refused() -> None:
    """Each would cost as much as a packet. Twelve of them are as many as stand before any picture."""
    receiver = Receiver()
    receiver.push(stap(*[SEI[:2]] * 12, IDR), 1, marker=True)
    assert receiver.nals == [[*[SEI[:2]] * 12, IDR]]
    receiver.push(stap(*[IDR_REST] * 60), 2, marker=True)
    assert receiver.nals[1:] == [[IDR_REST] * 60]
    assert receiver.errors == []
    receiver.push(stap(IDR, *[SEI[:2]] * 400), 3, marker=True)
    assert "tiny NAL units" in receiver.errors[0]
    assert len(receiver.nals[2]) == 12 + len(stap(IDR, *[SEI[:2]] * 400)) // 32


@pytest.mark.parametrize("nal", [SPS, SLICE, SEI])
def test_start_codes_without_end_are_not_taken_apart(nal: bytes) -> None:
    """In a NAL unit in fragments there is room for two million of them; the stream goes on behind it."""
    receiver = Receiver()
    receiver.push_unit([SPS, PPS, nal + b"\x00\x00\x01\x41" * (1 << 18)], 1)
    receiver.push_unit([SPS, PPS, IDR], 2)
    assert receiver.nals[-1][-3:] == [SPS, PPS, IDR]
    assert receiver.depacketizer.parts < 100


def test_parameter_sets_that_change_for_ever_are_learned_no_faster_than_pictures_come() -> None:
    """They stay in their units, and are counted; what was learned earlier goes on, and later changes are learned."""
    receiver = Receiver(SETS)
    changing = [PPS + bytes([1 + number % 200]) for number in range(1000)]
    for nal in changing:
        receiver.push(nal, 1)
    receiver.push(IDR, 1, marker=True)
    assert receiver.nals == [[*changing, IDR]]
    assert receiver.units[0].parameters == ParameterSets(sps=(SPS,), pps=(changing[63],))
    assert receiver.depacketizer.unusable_sets == 1000 - 64
    for timestamp in range(2, 10):
        receiver.push_unit([SLICE], timestamp)
    receiver.push_unit([SPS, PPS, IDR], 10)
    assert receiver.units[-1].parameters == SETS
    for timestamp in range(20_000):
        receiver.push_unit([SLICE], timestamp + 11)
    for nal in changing:
        receiver.push(nal, 30_000)
    assert receiver.depacketizer.unusable_sets == 2 * (1000 - 64)


def test_a_stream_that_changes_its_sets_with_each_picture_group_is_described_for_ever() -> None:
    """By one set in each, of 25 pictures."""
    receiver = Receiver(SETS)
    for group in range(500):
        receiver.push_unit([SPS, PPS + bytes([1 + group % 200]), IDR], 25 * group)
        for number in range(1, 25):
            receiver.push_unit([SLICE], 25 * group + number)
    assert receiver.depacketizer.unusable_sets == 0
