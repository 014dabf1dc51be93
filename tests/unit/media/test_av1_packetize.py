"""Temporal units into payloads: what every receiver may rely on (AOM, RTP Payload Format For AV1)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from media.av1_packetize import packetize
from media.errors import CodecError
from tests.builders_av1 import DELIMITER, INTER, KEY, METADATA, PADDING, SEQUENCE, layered, payload


def test_small_obus_and_the_start_of_a_frame_share_a_packet() -> None:
    """The first packet of a coded video sequence says so (4.4)."""
    first, second = packetize([DELIMITER, SEQUENCE, METADATA, KEY], 200)
    head = 1 + 1 + len(SEQUENCE) + 1 + len(METADATA)
    cut = 200 - head
    expected = payload(SEQUENCE, METADATA, KEY[:cut], more=True)
    assert first == bytes((expected[0] | 0x08,)) + expected[1:]
    assert second == payload(KEY[cut:], first=True)


def test_middle_fragments_are_all_that_their_packet_holds() -> None:
    """Z, Y and W=1: what the depacketizer's hot path waits for."""
    payloads = packetize([KEY], 60)
    assert [content[0] for content in payloads] == [0x50, 0xD0, 0xD0, 0x90]
    assert [len(content) for content in payloads[:-1]] == [60, 60, 60]


def test_no_more_elements_share_a_packet_than_w_can_count() -> None:
    """Three; the last one has no length."""
    assert packetize([METADATA] * 5, 1400) == [payload(*[METADATA] * 3), payload(*[METADATA] * 2)]


def test_a_header_is_never_torn_from_its_extension() -> None:
    """Other depacketizers want both in one packet."""
    for size in range(3, 40):
        payloads = packetize([PADDING, layered(INTER)], size)
        assert not any(one.endswith(b"\x34") and two[1:2] == b"\x28" for one, two in pairwise(payloads))


def test_tile_lists_and_delimiters_are_not_sent() -> None:
    """5."""
    assert packetize([DELIMITER, b"\x40abc", INTER], 1400) == [payload(INTER)]
    assert packetize([DELIMITER], 1400) == []


@pytest.mark.parametrize("obu", [b"", b"\xb0\x10", b"\x32\x01\x10"])
def test_what_cannot_be_sent_is_refused(obu: bytes) -> None:
    """Nothing, a forbidden bit, a size."""
    with pytest.raises(CodecError, match="cannot be sent"):
        packetize([INTER, obu])
