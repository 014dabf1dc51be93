"""H.265 payloads into access units: how units are cut, what loss does, and what cameras do."""

from __future__ import annotations

import pytest

from media.errors import CodecError
from media.h265 import require_sending_order
from media.h265_packetize import packetize
from media.nal import split_annex_b
from tests.builders_h264 import with_start_codes
from tests.builders_h265 import (
    AUD,
    CRA,
    IDR,
    IDR_N_LP,
    IDR_REST,
    PPS,
    RADL,
    RASL,
    SEI,
    SETS,
    SPS,
    SUFFIX_SEI,
    TRAIL,
    TRAIL_N,
    TRAIL_REST,
    VPS,
    Receiver,
    aggregate,
    fragments,
    slice_nal,
)

# --- how units are cut


def test_a_unit_ends_with_the_marker_or_another_timestamp() -> None:
    """Whichever comes first; one packet may end two of them."""
    receiver = Receiver()
    receiver.push(SEI, 10)
    receiver.push(IDR, 10, marker=True)
    receiver.push(TRAIL, 20)
    receiver.push(TRAIL_N, 30, marker=True)
    assert receiver.nals == [[SEI, IDR], [TRAIL], [TRAIL_N]]
    assert [(unit.rtp_timestamp, unit.sync) for unit in receiver.units] == [(10, True), (20, False), (30, False)]
    assert receiver.errors == []


def test_all_nal_units_of_a_picture_are_one_unit() -> None:
    """Several slices, parameter sets between them, a suffix; aggregated, whole and in fragments: bit for bit."""
    nals = [AUD, VPS, SPS, PPS, SEI, IDR, VPS, SPS, PPS, IDR_REST, IDR_REST, SUFFIX_SEI]
    receiver = Receiver()
    receiver.push_unit(nals, 1, max_payload_bytes=100)
    assert receiver.nals == [nals]
    assert (receiver.units[0].parameters, receiver.lost, receiver.errors) == (SETS, [0], [])


def test_a_unit_never_ends_without_a_picture() -> None:
    """Sets with a marker or a timestamp of their own belong to the picture that follows (quirks V1 V2 V3)."""
    receiver = Receiver()
    for at, nal in enumerate((VPS, SPS, PPS, SEI)):
        receiver.push(nal, at, marker=True)
    receiver.push(IDR, 9, marker=True)
    assert receiver.nals == [[VPS, SPS, PPS, SEI, IDR]]
    assert receiver.units[0].rtp_timestamp == 9


@pytest.mark.parametrize(
    ("kind", "sync", "leads", "leading"),
    [
        (0, False, False, False),
        (1, False, False, False),
        (6, False, False, True),
        (7, False, False, True),
        (8, False, False, True),
        (9, False, False, True),
        (16, True, True, False),
        (17, True, True, False),
        (18, True, False, False),
        (19, True, True, False),
        (20, True, False, False),
        (21, True, True, False),
        (22, True, True, False),
        (24, False, False, False),
    ],
)
def test_what_kind_of_picture_it_is(kind: int, sync: bool, leads: bool, leading: bool) -> None:
    """Decoders start at BLA, IDR and CRA pictures; most may be followed by what is shown before (table 7-1)."""
    receiver = Receiver()
    receiver.push(slice_nal(kind), 1, marker=True)
    receiver.push(TRAIL, 2, marker=True)
    (unit, after) = receiver.units
    assert (unit.sync, unit.leads, unit.leading) == (sync, leads, leading)
    assert (after.sync, after.leads, after.leading) == (False, False, False)


def test_parameter_sets_of_the_description_are_announced_once() -> None:
    """And again when others come; repeats in the stream are no news, and stay where they are."""
    receiver = Receiver(SETS)
    receiver.push_unit([IDR], 1)
    receiver.push_unit([VPS, SPS, PPS, IDR], 2)
    other = PPS[:-1] + b"\x60"
    receiver.push_unit([other, IDR], 3)
    assert [unit.parameters for unit in receiver.units] == [SETS, None, SETS.updated(other)]
    assert receiver.nals[1:] == [[VPS, SPS, PPS, IDR], [other, IDR]]


# --- loss


def test_a_nal_unit_with_a_hole_is_dropped_and_counted() -> None:
    """The others of its unit stay."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    start, _, end = fragments(IDR_REST, 3)
    receiver.push(start, 1)
    receiver.push(end, 1, lost=1, marker=True)
    receiver.push_unit([TRAIL], 2)
    assert receiver.nals == [[IDR], [TRAIL]]
    assert (receiver.lost, receiver.errors) == ([1, 0], [])


def test_a_lost_picture_is_counted_with_the_next_one() -> None:
    """A unit that lost all of it is dropped."""
    receiver = Receiver()
    receiver.push_unit([IDR], 1)
    receiver.push(SEI, 2)
    receiver.push(fragments(TRAIL, 3)[2], 2, lost=2, marker=True)
    receiver.push_unit([TRAIL], 3)
    assert receiver.nals == [[IDR], [TRAIL]]
    assert receiver.lost == [0, 2]


def test_what_followed_a_lost_picture_does_not_get_into_the_next_unit() -> None:
    """Its suffix is not the beginning of another."""
    receiver = Receiver()
    receiver.push(IDR, 1, marker=True)
    receiver.push(SUFFIX_SEI, 2, lost=2, marker=True)
    receiver.push(TRAIL, 3, marker=True)
    assert (receiver.nals, receiver.lost) == ([[IDR], [TRAIL]], [0, 2])


def test_a_malformed_packet_costs_itself_alone() -> None:
    """It counts as lost, is raised, and the stream goes on."""
    receiver = Receiver()
    receiver.push(IDR, 1)
    receiver.push(b"\x64\x01\x00", 1)
    receiver.push(IDR_REST, 1, marker=True)
    assert receiver.nals == [[IDR, IDR_REST]]
    assert receiver.lost == [1]
    assert receiver.errors == ["packetization PACI is not supported (RFC 7798 type 50)"]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"\x02", "a NAL unit of one byte"),
        (b"\x82\x01\xaf", "0x8201, which is no header"),
        (b"\x02\x00\xaf", "0x0200, which is no header"),
        (b"\x66\x01\xaf", "0x6601, which is no header"),
        (b"\x62\x01", "an FU packet without its header"),
        (b"\x62\x01\xb2\xaf", "fragments of a NAL unit of type 50, which is none of H.265"),
        (b"\x62\x00\x81\xaf", "fragments of a NAL unit of type 1, which is none of H.265"),
        (b"\x60\x01\x00\x09\x02\x01\xaf", "an AP packet whose NAL unit lengths do not fit it"),
        (b"\x60\x01\x00\x00", "an AP packet whose NAL unit lengths do not fit it"),
    ],
)
def test_what_is_malformed_is_named(payload: bytes, complaint: str) -> None:
    """And counted in the unit it came with."""
    receiver = Receiver()
    receiver.push(payload, 1)
    receiver.push(IDR, 1, marker=True)
    (error,) = receiver.errors
    assert complaint in error
    assert (receiver.nals, receiver.lost) == ([[IDR]], [1])


def test_fragments_that_do_not_end_are_dropped() -> None:
    """Before the marker, the next NAL unit, the next start, the next timestamp (quirk V13)."""
    start, *_ = fragments(IDR_REST, 3)
    cases = [(b"", 1, True, 1), (TRAIL_REST, 1, True, 1), (start, 1, False, 2), (TRAIL, 2, True, 1)]
    for payload, timestamp, marker, lost in cases:
        receiver = Receiver()
        receiver.push(IDR, 1)
        receiver.push(start, 1)
        receiver.push(payload, timestamp, marker=marker)
        assert len(receiver.errors) == 1, receiver.errors
        receiver.push_unit([TRAIL], 3)
        assert IDR_REST not in receiver.nals[0]
        assert receiver.lost[0] == lost


def test_a_unit_has_a_bound() -> None:
    """Whole or in fragments: it is dropped, counted, and its rest is not looked at."""
    for payloads in ([slice_nal(1, size=255)] * 5, fragments(IDR * 8, 40)):
        receiver = Receiver(max_unit_bytes=1000)
        for payload in payloads:
            receiver.push(payload, 1)
        receiver.push_unit([TRAIL], 2)
        assert (receiver.nals, len(receiver.errors)) == ([[TRAIL]], 1)
        assert receiver.lost[0] > 0


def test_who_joins_in_the_middle_of_a_picture_knows_it() -> None:
    """Its first slice segment says so; without it the picture is damaged (quirk V14)."""
    for nals, lost in (([IDR, IDR_REST], [0, 0]), ([IDR_REST], [1, 0])):
        receiver = Receiver()
        receiver.push_unit(nals, 1)
        receiver.push_unit([TRAIL_REST], 2)
        assert receiver.lost == lost


def test_who_joins_in_the_middle_of_fragments_waits() -> None:
    """That is no fault of the camera's."""
    receiver = Receiver()
    _, middle, end = fragments(IDR, 3)
    receiver.push(middle, 1)
    receiver.push(end, 1, marker=True)
    receiver.push_unit([IDR], 2)
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


# --- what cameras do


def test_intel_n100_mediamtx_sends_type_0() -> None:
    """TRAIL_N alone in a packet is valid, though its first byte is 0 (quirk H6)."""
    assert TRAIL_N[0] == 0
    receiver = Receiver()
    receiver.push(TRAIL_N, 1, marker=True)
    assert (receiver.nals, receiver.errors) == ([[TRAIL_N]], [])


def test_openipc_ssc378de_starts_and_ends_at_once() -> None:
    """A fragment with both marks is a whole NAL unit (quirks H7, V11)."""
    receiver = Receiver()
    receiver.push(b"\x62\x01" + bytes((0xC0 | 19,)) + IDR[2:], 1, marker=True)
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_an_empty_fragment_is_accepted() -> None:
    """Between others, and as the last one (quirks H7, V12)."""
    receiver = Receiver()
    start, middle, end = fragments(IDR, 3)
    for payload in (start, start[:2] + middle[2:3], middle, end[:2] + b"\x13" + end[3:], end[:3]):
        receiver.push(payload, 1)
    receiver.push(b"", 1, marker=True)
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_tiandy_changes_the_type_between_fragments() -> None:
    """Type, layer and temporal id are those of the first one (quirks H7, V10)."""
    receiver = Receiver()
    start, middle, end = fragments(IDR, 3)
    receiver.push(start, 1)
    receiver.push(middle[:1] + b"\x02\x01" + middle[3:], 1)
    receiver.push(end, 1, marker=True)
    assert (receiver.nals, receiver.errors) == ([[IDR]], [])


def test_v380_sends_a_byte_stream() -> None:
    """As a packet; and parameter sets and picture as one NAL unit, whole, aggregated or in fragments (H8, V4)."""
    nals = [VPS, SPS, PPS, IDR]
    glued = with_start_codes(nals)[4:]
    whole = [with_start_codes(nals)], [with_start_codes(nals)[1:]], [glued], [aggregate(glued)]
    cut = [fragments(glued, count) for count in range(2, 12)]
    for payloads in (*whole, *cut):
        receiver = Receiver()
        for payload in payloads:
            receiver.push(payload, 1)
        receiver.push(b"", 1, marker=True)
        assert receiver.nals == [split_annex_b(with_start_codes(nals))]
        assert (receiver.units[0].sync, receiver.units[0].parameters) == (True, SETS)
        assert receiver.errors == []


def test_decoding_order_numbers_are_refused_by_name() -> None:
    """RFC 7798 7.1: what a description says, before anything is recorded wrongly (quirk H8)."""
    for fine in ({}, {"sprop-max-don-diff": "0"}, {"tx-mode": "SRST"}):
        require_sending_order(fine)
    for fmtp, name in (({"sprop-max-don-diff": "2"}, "don-diff=2"), ({"tx-mode": "MRMT"}, "tx-mode=MRMT")):
        with pytest.raises(CodecError, match=name):
            require_sending_order(fmtp)


# --- the other direction


def test_small_nal_units_before_the_picture_share_a_packet() -> None:
    """An AP; its layer and temporal id are the lowest of all (RFC 7798 4.4.2)."""
    higher = slice_nal(35, layer=3, temporal=4)[:3]
    first, *_ = packetize([higher, VPS, SPS, PPS, IDR])
    assert first == aggregate(higher, VPS, SPS, PPS)
    assert packetize([higher, slice_nal(35, layer=2, temporal=2)[:3], IDR])[0][:2] == bytes((0x60, 2 << 3 | 2))


def test_large_nal_units_are_sent_in_fragments() -> None:
    """FUs keep layer and temporal id; the type is in their own header (4.4.3)."""
    nal = slice_nal(21, layer=33, temporal=5)
    start, middle, end = fragments(nal, 3)
    assert {each[:2] for each in (start, middle, end)} == {bytes((49 << 1 | 1, 1 << 3 | 5))}
    assert [each[2] for each in (start, middle, end)] == [0x80 | 21, 21, 0x40 | 21]
    receiver = Receiver()
    receiver.push_unit([nal], 1, 60)
    assert receiver.nals == [[nal]]


def test_what_is_no_nal_unit_is_not_sent() -> None:
    """It would look like a packet of another kind."""
    for nal in (b"", b"\x02", b"\x60\x01\x00", b"\x82\x01\x00", b"\x02\x00\x00"):
        with pytest.raises(CodecError, match="cannot be sent over RTP"):
            packetize([nal])


def test_pictures_of_every_kind_come_through() -> None:
    """A stream with an open group of pictures."""
    receiver = Receiver()
    for at, nal in enumerate((IDR, TRAIL, CRA, RASL, RADL, TRAIL_N, IDR_N_LP)):
        receiver.push_unit([SEI, nal], at, 80)
    assert [nals[1] for nals in receiver.nals] == [IDR, TRAIL, CRA, RASL, RADL, TRAIL_N, IDR_N_LP]
