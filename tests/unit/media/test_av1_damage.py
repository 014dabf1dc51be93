"""What loss, joining late and malformed packets do to temporal units of AV1."""

from __future__ import annotations

import pytest

from media.av1 import Av1Depacketizer
from media.av1_obu import join_obus
from tests.builders_av1 import (
    INTER,
    INTER_HEADER,
    KEY,
    METADATA,
    OTHER_INTER,
    OTHER_SEQUENCE,
    PADDING,
    SEQUENCE,
    TILES,
    Receiver,
    fragments,
    payload,
)

# --- loss


@pytest.mark.parametrize("missing", range(6))
def test_a_frame_with_a_fragment_missing_takes_its_unit_along(missing: int) -> None:
    """Its count moves on to the next unit."""
    receiver = Receiver()
    receiver.push(payload(SEQUENCE, METADATA), 1)
    payloads = fragments(KEY, 6)
    for index, content in enumerate(payloads):
        if index != missing:
            receiver.push(content, 1, lost=int(index == missing + 1), marker=index == 5)
    receiver.push(payload(INTER), 2, lost=int(missing == 5), marker=True)
    receiver.push(payload(INTER), 3, marker=True)
    assert (receiver.obus, receiver.errors) == ([[INTER], [INTER]], [])
    assert receiver.lost == [1, 0]


def test_whole_frames_go_with_the_one_that_is_missing() -> None:
    """No decoder takes a frame that lacks a tile group; what came before and after in its unit is not kept either."""
    receiver = Receiver()
    receiver.push(payload(INTER_HEADER, TILES), 1)
    receiver.push(payload(TILES), 1, lost=2)
    receiver.push(payload(INTER), 1, marker=True)
    receiver.push(payload(OTHER_INTER), 2, marker=True)
    assert (receiver.obus, receiver.lost, receiver.errors) == ([[OTHER_INTER]], [2], [])


def test_a_frame_behind_half_a_frame_goes_with_it() -> None:
    """Layers and hidden frames are one picture; what its rest is worth without its beginning, nobody can tell."""
    for begun in (fragments(KEY, 3)[0], payload(b"", more=True)):
        for lost in (1, 0):
            receiver = Receiver()
            receiver.push(begun, 1)
            receiver.push(payload(INTER), 1, lost=lost, marker=True)
            receiver.push(payload(OTHER_INTER), 2, marker=True)
            assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[OTHER_INTER]], [1], 1 - lost)


def test_what_was_lost_before_the_first_frame_leaves_the_frame() -> None:
    """It may have been metadata. A sequence header is missing: that is no sync sample then."""
    receiver = Receiver()
    receiver.push(payload(SEQUENCE), 1)
    receiver.push(payload(KEY), 1, lost=1, marker=True)
    receiver.push(payload(METADATA), 2)
    receiver.push(payload(KEY), 2, lost=3, marker=True)
    assert receiver.obus == [[SEQUENCE, KEY], [METADATA, KEY]]
    assert [unit.sync for unit in receiver.units] == [True, False]
    assert receiver.lost == [1, 3]


def test_metadata_with_a_fragment_missing_is_dropped_alone() -> None:
    """Before the frame."""
    receiver = Receiver()
    first, _, last = fragments(METADATA, 3)
    receiver.push(first, 1)
    receiver.push(last, 1, lost=1)
    receiver.push(payload(INTER), 1, marker=True)
    assert (receiver.obus, receiver.lost, receiver.errors) == ([[INTER]], [1], [])


def test_tile_groups_without_their_frame_header_are_dropped() -> None:
    """With their unit, whatever else is in it; loss explains them."""
    receiver = Receiver()
    receiver.push(payload(METADATA), 1)
    receiver.push(payload(TILES), 1, lost=1)
    receiver.push(payload(PADDING), 1, marker=True)
    receiver.push(payload(INTER), 2, marker=True)
    assert (receiver.obus, receiver.lost, receiver.errors) == ([[INTER]], [1], [])


def test_loss_across_the_border_damages_the_unit_that_lacks_its_end() -> None:
    """One packet is missing: that was the one with the marker. It is no sync sample, the next unit is whole."""
    receiver = Receiver()
    receiver.push(payload(SEQUENCE, KEY), 1)
    receiver.push(payload(INTER), 2, lost=1, marker=True)
    assert receiver.obus == [[SEQUENCE, KEY], [INTER]]
    assert receiver.lost == [1, 0]
    assert not receiver.units[0].sync


def test_without_markers_a_packet_lost_between_two_units_may_be_of_either() -> None:
    """Both carry it: the second may have lost its metadata."""
    receiver = Receiver()
    for timestamp, lost in ((1, 0), (2, 0), (3, 1), (4, 0)):
        receiver.push(payload(INTER), timestamp, lost=lost, marker=timestamp == 4)
    assert receiver.lost == [0, 1, 1, 0]


def test_more_loss_across_the_border_damages_both_units() -> None:
    """The sum stays."""
    receiver = Receiver()
    receiver.push(payload(KEY), 1)
    receiver.push(payload(INTER), 2, lost=5, marker=True)
    assert receiver.lost == [1, 4]


def test_a_frame_cut_off_by_loss_across_the_border_is_dropped() -> None:
    """All that is missing is counted in the next unit."""
    receiver = Receiver()
    receiver.push(fragments(KEY, 3)[0], 1)
    receiver.push(payload(INTER), 2, lost=5, marker=True)
    assert (receiver.obus, receiver.lost) == ([[INTER]], [5])


def test_loss_between_whole_units_belongs_to_the_next() -> None:
    """The unit before ended with its marker."""
    receiver = Receiver()
    for timestamp, lost in ((1, 0), (3, 2), (4, 0)):
        receiver.push(payload(INTER), timestamp, marker=True, lost=lost)
    assert receiver.lost == [0, 2, 0]


def test_metadata_without_its_frame_does_not_get_into_the_next_unit() -> None:
    """Loss between the two."""
    receiver = Receiver()
    receiver.push(payload(METADATA), 1)
    receiver.push(payload(INTER), 2, lost=1, marker=True)
    assert (receiver.obus, receiver.lost) == ([[INTER]], [1])


def test_what_is_left_of_a_lost_unit_does_not_get_into_the_next() -> None:
    """Its frame was lost with its beginning; padding and metadata behind it are not those of the next frame."""
    for rest in ([TILES, METADATA], [PADDING]):
        for marker in (True, False):
            receiver = Receiver()
            receiver.push_unit([INTER], 1)
            receiver.push(payload(*rest), 2, lost=2, marker=marker)
            receiver.push(payload(OTHER_INTER), 3, marker=True)
            assert (receiver.obus, receiver.lost, receiver.errors) == ([[INTER], [OTHER_INTER]], [0, 2], [])


def test_where_clocks_stand_still_the_marker_ends_what_is_left_of_a_lost_unit() -> None:
    """The next frame has the same timestamp."""
    receiver = Receiver()
    receiver.push_unit([INTER], 1)
    receiver.push(payload(PADDING), 2, lost=2, marker=True)
    receiver.push(payload(OTHER_INTER), 2, marker=True)
    assert (receiver.obus, receiver.lost) == ([[INTER], [OTHER_INTER]], [0, 2])


def test_the_sequence_header_of_a_lost_frame_is_not_forgotten() -> None:
    """It comes with the unit that is emitted next."""
    receiver = Receiver()
    receiver.push_unit([SEQUENCE, KEY], 1)
    receiver.push(payload(OTHER_SEQUENCE), 2)
    receiver.push(payload(INTER), 3, lost=4, marker=True)
    parameters = receiver.units[1].parameters
    assert parameters is not None
    assert (parameters.track().width, receiver.units[1].sync) == (1280, False)


# --- joining


def test_the_rest_of_a_frame_from_before_we_joined_is_skipped() -> None:
    """Fragments without a start are no error then, nor tile groups; later units are whole."""
    for late in ([fragments(KEY, 4)[2], fragments(KEY, 4)[3]], [payload(TILES)]):
        receiver = Receiver()
        for content in late:
            receiver.push(content, 1, marker=content is late[-1])
        receiver.push(payload(INTER), 2, marker=True)
        assert (receiver.obus, receiver.lost, receiver.errors) == ([[INTER]], [0], [])


def test_joining_within_a_unit_is_damage() -> None:
    """Of what began before."""
    receiver = Receiver()
    receiver.push(payload(METADATA[9:], INTER, first=True), 1, marker=True)
    assert (receiver.obus, receiver.lost, receiver.errors) == ([[INTER]], [1], [])


# --- malformed packets


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x10", "nothing"),
        (payload(METADATA, b""), "nothing"),
        (payload(b"\xb0" + KEY), "b0"),
        (payload(b"\x34"), "34"),
        (b"\x00\x05\x30", "past its packet"),
        (b"\x20\x05\x30", "past its packet"),
        (b"\x20", "leb128"),
        (b"\x00" + b"\x80" * 8 + b"\x00", "leb128"),
        (b"\x00\xff\xff\xff\xff\x7f" + KEY, "leb128"),
        (payload(b"\x32\x05\x30"), "past the"),
        (payload(b"\x32\x80"), "leb128"),
        (payload(b"\x0a\x00\x80"), "0x80"),
        (payload(METADATA[:5], more=True), "did not end before the next"),
        (payload(INTER[5:], first=True), "without its start"),
    ],
)
def test_a_malformed_packet_counts_as_lost(content: bytes, problem: str) -> None:
    """It is damage to its unit; the next one goes on as if nothing had happened."""
    receiver = Receiver()
    receiver.push_unit([INTER], 1)
    receiver.push(payload(METADATA), 2)
    receiver.push(content, 2)
    receiver.push(payload(OTHER_INTER), 2, marker=True)
    receiver.push_unit([INTER], 3)
    assert len(receiver.errors) == 1
    assert problem in receiver.errors[0]
    assert receiver.lost == [0, 1, 0]
    assert receiver.obus[1] in ([METADATA, OTHER_INTER], [METADATA, METADATA, OTHER_INTER])


def test_the_rest_of_an_obu_without_its_start_is_one_error() -> None:
    """However many packets it fills."""
    receiver = Receiver()
    receiver.push_unit([INTER], 1)
    for content in fragments(KEY, 5)[1:]:
        receiver.push(content, 2, marker=content[0] & 0x40 == 0)
    receiver.push_unit([INTER], 3)
    assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[INTER], [INTER]], [0, 1], 1)


def test_what_is_usable_of_a_malformed_packet_is_taken() -> None:
    """The elements before the length that does not fit; their frame may go on behind it, so it is dropped."""
    receiver = Receiver()
    receiver.push(payload(SEQUENCE, METADATA, counted=False) + b"\x7f", 1)
    receiver.push(payload(KEY), 1, marker=True)
    receiver.push(payload(INTER, counted=False) + b"\x7f", 2, marker=True)
    receiver.push(payload(INTER), 3, marker=True)
    assert receiver.obus == [[SEQUENCE, METADATA, KEY], [INTER]]
    assert receiver.lost == [1, 1]


def test_an_element_that_is_no_obu_does_not_cost_the_frame_beside_it() -> None:
    """It is whole and understood as wrong: nothing of the frame is missing."""
    receiver = Receiver()
    receiver.push(payload(KEY, b"\xff\xff"), 1, marker=True)
    assert (receiver.obus, receiver.lost) == ([[KEY]], [1])


def test_a_fragmented_obu_that_does_not_end_is_dropped() -> None:
    """Before another OBU, a marker, another timestamp; with its unit, if it is a frame."""
    first = fragments(KEY, 3)[0]
    for follows in ([payload(PADDING)], []):
        receiver = Receiver()
        receiver.push(first, 1)
        for content in follows:
            receiver.push(content, 1)
        receiver.push(b"", 1, marker=True)
        receiver.push_unit([INTER], 2)
        assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[INTER]], [1], 1)
    receiver = Receiver()
    receiver.push(first, 1)
    receiver.push(payload(INTER), 2, marker=True)
    assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[INTER]], [1], 1)


def test_a_fragmented_obu_of_which_nothing_came_does_not_reach_the_next_unit() -> None:
    """Its packet said that more would come, and held no byte of it."""
    receiver = Receiver()
    receiver.push(payload(b"", more=True), 1)
    receiver.push_unit([SEQUENCE, KEY], 2)
    receiver.push_unit([INTER], 3)
    assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[SEQUENCE, KEY], [INTER]], [1, 0], 1)
    assert receiver.units[0].sync


def test_a_tile_group_without_a_frame_header_is_an_error() -> None:
    """Where nothing was lost."""
    receiver = Receiver()
    receiver.push_unit([INTER], 1)
    receiver.push_unit([TILES], 2)
    receiver.push_unit([INTER], 3)
    assert (receiver.obus, receiver.lost, len(receiver.errors)) == ([[INTER], [INTER]], [0, 1], 1)


# --- bounds


def test_a_unit_that_is_too_large_is_dropped() -> None:
    """Whole, in fragments, and by the fragments of the hot path; the next one is taken."""
    large = KEY + bytes(1000)
    for obus, max_payload_bytes in (([large], 2000), ([large], 100), ([METADATA] * 60 + [KEY], 100)):
        receiver = Receiver(max_unit_bytes=900)
        receiver.push_unit(obus, 1, max_payload_bytes)
        receiver.push_unit([INTER], 2)
        assert receiver.obus == [[INTER]]
        assert receiver.lost == [1]
        assert len(receiver.errors) == 1
        assert "more than 900 bytes" in receiver.errors[0]


def test_memory_stays_bounded_whatever_comes() -> None:
    """Units that never end, of fragments and of the smallest OBUs: twice what they take on the wire, at most."""
    smallest = b"\x00" + b"\x01\x28" * 500
    for content in (b"\xd0" + bytes(1000), b"\xf0" + bytes(1000), payload(bytes(500), more=True), smallest):
        depacketizer = Av1Depacketizer(lambda _unit: None, max_unit_bytes=10_000)
        receiver = Receiver()
        receiver.depacketizer = depacketizer
        receiver.push(payload(METADATA, more=True), 1)
        for _ in range(100):
            receiver.push(content, 1)
            assert len(depacketizer._obus) <= 11_001


def test_more_tiny_obus_than_any_camera_sends_are_not_looked_at() -> None:
    """In a packet, by their lengths or their sizes: each costs more time than it costs to send."""
    for content in (payload(*[METADATA] * 1000, counted=False), payload(bytes(join_obus([METADATA] * 1000)))):
        receiver = Receiver()
        receiver.push(content, 1)
        receiver.push(payload(INTER), 1, marker=True)
        assert len(receiver.errors) == 1
        assert "more than 32" in receiver.errors[0]
        assert receiver.lost == [1]
        assert len(receiver.obus[0]) <= 33


def test_the_sample_of_a_damaged_unit_is_well_formed() -> None:
    """Whatever was dropped, sizes and OBUs fit."""
    receiver = Receiver()
    receiver.push(fragments(METADATA, 3)[0], 1)
    receiver.push(payload(PADDING, INTER), 1, lost=7, marker=True)
    assert receiver.units[0].nals == join_obus([PADDING, INTER])
