"""AV1 payloads into temporal units: how units are cut, and what is in them. Damage: test_av1_damage."""

from __future__ import annotations

import pytest

from media.av1_obu import join_obus, obu_content
from media.av1_sequence import parse_sequence_header
from media.rtp import RtpReceiver
from tests.builders_av1 import (
    DELIMITER,
    HIDDEN_KEY,
    INTER,
    INTER_HEADER,
    KEY,
    KEY_HEADER,
    METADATA,
    OTHER_INTER,
    OTHER_SEQUENCE,
    PADDING,
    SEQUENCE,
    TILES,
    Receiver,
    fragments,
    layered,
    payload,
)
from tests.builders_h264 import packet

# --- how units are cut


def test_a_unit_ends_with_the_marker() -> None:
    """Without waiting for the next one."""
    receiver = Receiver()
    receiver.push(payload(METADATA), 10)
    receiver.push(payload(INTER), 10, marker=True)
    assert receiver.obus == [[METADATA, INTER]]
    (unit,) = receiver.units
    assert (unit.rtp_timestamp, unit.sync, unit.lost_packets, unit.parameters) == (10, False, 0, None)


def test_a_unit_ends_with_another_timestamp() -> None:
    """The marker is not required of cameras (4.2)."""
    receiver = Receiver()
    for timestamp, obu in enumerate((KEY, INTER, OTHER_INTER)):
        receiver.push(payload(obu), timestamp)
    assert receiver.obus == [[KEY], [INTER]]


def test_one_packet_may_end_two_units() -> None:
    """The one before, by its timestamp, and its own, by its marker."""
    receiver = Receiver()
    receiver.push(payload(KEY), 1)
    receiver.push(payload(INTER), 2, marker=True)
    assert receiver.obus == [[KEY], [INTER]]


def test_a_unit_does_not_end_without_a_frame() -> None:
    """What came before, marked or with another timestamp, belongs to the frame that follows."""
    receiver = Receiver()
    receiver.push(payload(SEQUENCE), 1, marker=True)
    receiver.push(payload(METADATA), 1)
    receiver.push(payload(KEY), 2, marker=True)
    assert receiver.obus == [[SEQUENCE, METADATA, KEY]]
    assert receiver.units[0].rtp_timestamp == 2


def test_all_frames_of_an_instant_are_one_unit() -> None:
    """Hidden frames, spatial layers, frame headers with several tile groups."""
    obus = [
        SEQUENCE,
        METADATA,
        HIDDEN_KEY,
        KEY_HEADER,
        TILES,
        TILES,
        layered(INTER),
        layered(OTHER_INTER, 0x30),
        PADDING,
    ]
    receiver = Receiver()
    receiver.push_unit(obus, 1, max_payload_bytes=50)
    assert (receiver.obus, receiver.errors) == ([obus], [])


# --- what is in them


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("size", [2, 126, 127, 128, 129, 300, 16383, 16384, 16386, 20000])
def test_obus_come_out_bit_identical_with_their_size(size: int, counted: bool) -> None:
    """With and without W, whole and in fragments, whatever their size takes."""
    frame = KEY[:2] + bytes(index % 251 for index in range(size - 2))
    receiver = Receiver()
    receiver.push(payload(SEQUENCE, METADATA, frame, counted=counted), 1, marker=True)
    cut = size // 2
    receiver.push(payload(SEQUENCE, METADATA, frame[:cut], more=True, counted=counted), 2)
    receiver.push(payload(frame[cut:], first=True, counted=counted), 2, marker=True)
    assert receiver.obus == [[SEQUENCE, METADATA, frame]] * 2
    assert [unit.nals for unit in receiver.units] == [join_obus([SEQUENCE, METADATA, frame])] * 2
    assert receiver.errors == []


def test_obus_with_an_extension_come_out_bit_identical() -> None:
    """Temporal and spatial layers."""
    obus = [layered(KEY), layered(TILES, 0x30), layered(b"\x30\x00"), INTER]
    for max_payload_bytes in (3, 4, 5, 1400):
        receiver = Receiver()
        receiver.push_unit(obus, 1, max_payload_bytes)
        assert (receiver.obus, receiver.errors) == ([obus], [])


def test_the_end_of_one_obu_and_the_start_of_another_share_a_packet() -> None:
    """In the middle of a unit."""
    receiver = Receiver()
    receiver.push(payload(METADATA, KEY[:50], more=True), 1)
    receiver.push(payload(KEY[50:], TILES, OTHER_INTER[:1], first=True, more=True), 1)
    receiver.push(payload(OTHER_INTER[1:], PADDING, first=True), 1, marker=True)
    assert (receiver.obus, receiver.errors) == ([[METADATA, KEY, TILES, OTHER_INTER, PADDING]], [])


def test_delimiters_and_tile_lists_are_left_out() -> None:
    """Whole and in fragments (5)."""
    tile_list = b"\x40" + bytes(100)
    receiver = Receiver()
    receiver.push(payload(DELIMITER, SEQUENCE, tile_list), 1)
    receiver.push(payload(KEY, tile_list[:30], more=True), 1)
    receiver.push(payload(tile_list[30:], PADDING, first=True), 1, marker=True)
    assert (receiver.obus, receiver.errors) == ([[SEQUENCE, KEY, PADDING]], [])


def test_sizes_that_the_camera_sent_are_kept_short() -> None:
    """An element may bring its size, though it should not (4.5), and then even be several OBUs."""
    with_sizes = bytes(join_obus([SEQUENCE, METADATA, KEY]))
    longer = bytes((INTER[0] | 0x02, 0x80 | len(INTER) - 1, 0x00)) + INTER[1:]
    receiver = Receiver()
    receiver.push(payload(with_sizes[:70], more=True), 1)
    receiver.push(payload(with_sizes[70:], longer, first=True), 1, marker=True)
    assert receiver.units[0].nals == join_obus([SEQUENCE, METADATA, KEY, INTER])
    assert (receiver.units[0].sync, receiver.errors) == (True, [])


def test_reserved_bits_are_ignored() -> None:
    """Of the aggregation header; N too, which says nothing that the OBUs do not say."""
    receiver = Receiver()
    for index, content in enumerate(fragments(KEY, 4)):
        receiver.push(bytes((content[0] | 0x0F,)) + content[1:], 1, marker=index == 3)
    assert (receiver.obus, receiver.errors) == ([[KEY]], [])


def test_empty_payloads_and_fragments_change_nothing_but_may_carry_the_marker() -> None:
    """Some encoders send them."""
    receiver = Receiver()
    receiver.push(b"", 1)
    receiver.push(payload(KEY, more=True), 1)
    receiver.push(payload(b"", first=True, more=True), 1)
    receiver.push(b"", 1)
    receiver.push(payload(b"", first=True), 1)
    receiver.push(b"", 1, marker=True)
    assert (receiver.obus, receiver.errors) == ([[KEY]], [])


def test_the_dependency_descriptor_is_ignored() -> None:
    """An RTP header extension of one and of two-byte headers (4.3): none of the payload."""
    receiver = Receiver()
    rtp = RtpReceiver(96, receiver.depacketizer)
    for profile, descriptor in ((0xBEDE, b"\x12\x80\x00\x01"), (0x1000, b"\x01\x03\x80\x00\x02\x00\x00\x00")):
        extension = profile.to_bytes(2, "big") + (len(descriptor) // 4).to_bytes(2, "big") + descriptor
        payloads = fragments(KEY, 4)
        for index, content in enumerate(payloads):
            plain = packet(content, rtp.packets, profile, marker=index == 3)
            rtp.receive(
                bytes((plain[0] | 0x10,)) + plain[1:12] + extension + content, 0, 12 + len(extension) + len(content)
            )
    assert (receiver.obus, rtp.lost_packets, rtp.malformed_packets) == ([[KEY], [KEY]], 0, 0)


# --- sync samples and parameters


@pytest.mark.parametrize(
    ("obus", "sync"),
    [
        ([SEQUENCE, KEY], True),
        ([SEQUENCE, METADATA, KEY_HEADER, TILES], True),
        ([SEQUENCE, layered(KEY), layered(INTER, 0x30)], True),
        ([KEY], False),
        ([KEY, SEQUENCE], False),
        ([SEQUENCE, INTER], False),
        ([SEQUENCE, HIDDEN_KEY], False),
        ([SEQUENCE, HIDDEN_KEY, KEY], False),
        ([SEQUENCE, INTER_HEADER, TILES], False),
        ([SEQUENCE, b"\x18\x90"], False),  # show_existing_frame
        ([SEQUENCE, b"\x30\x50"], False),  # an intra-only frame
        ([SEQUENCE, b"\x18"], False),
    ],
)
def test_a_sync_sample_begins_with_a_sequence_header_and_a_shown_key_frame(obus: list[bytes], sync: bool) -> None:
    """AV1-ISOBMFF 2.4; the frames after the first do not matter."""
    receiver = Receiver()
    receiver.push_unit(obus, 1)
    assert [unit.sync for unit in receiver.units] == [sync]


def test_every_frame_of_a_stream_of_still_pictures_is_a_key_frame() -> None:
    """Its frame headers do not say so (reduced_still_picture_header)."""
    still = b"\x08" + bytes.fromhex("1a1dffdfc01880")
    receiver = Receiver()
    receiver.push_unit([still, b"\x30\xf0"], 1)
    assert [unit.sync for unit in receiver.units] == [True]


def test_parameters_come_with_the_first_unit_and_with_changes() -> None:
    """A repetition is no change."""
    receiver = Receiver()
    for timestamp, obus in enumerate(
        ([INTER], [SEQUENCE, KEY], [SEQUENCE, KEY], [INTER], [OTHER_SEQUENCE, KEY], [SEQUENCE, KEY])
    ):
        receiver.push_unit(obus, timestamp)
    first, other = (parse_sequence_header(obu_content(obu)) for obu in (SEQUENCE, OTHER_SEQUENCE))
    assert [unit.parameters for unit in receiver.units] == [None, first, None, None, other, first]


def test_an_unreadable_sequence_header_stays_in_its_unit() -> None:
    """It is counted, does not replace the one in use, and its key frame is no sync sample."""
    broken = SEQUENCE[:5]
    receiver = Receiver()
    receiver.push_unit([SEQUENCE, KEY], 1)
    receiver.push_unit([broken, KEY], 2)
    assert receiver.obus[1] == [broken, KEY]
    assert [unit.sync for unit in receiver.units] == [True, False]
    assert receiver.units[1].parameters is None
    assert receiver.depacketizer.unusable_sets == 1
