"""Temporal units of AV1 into RTP payloads (AOM, RTP Payload Format For AV1, v1.0), as simulated cameras send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.av1_obu import FORBIDDEN_BIT, HAS_SIZE, SEQUENCE_HEADER, TEMPORAL_DELIMITER, TILE_LIST, leb128, obu_type
from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The aggregation header (4.4).
CONTINUES = 0x80  # Z: the first element goes on with an OBU from the packet before
UNFINISHED = 0x40  # Y: the last element goes on in the next packet
COUNT_SHIFT = 4  # W: so many elements, the last without its length; 0: any number, each with its length
COUNT_MASK = 3
NEW_SEQUENCE = 0x08  # N: the first packet of a coded video sequence

MOST_COUNTED = 3
_LEAST_PIECE_BYTES = 2  # a header with its extension is not torn: FFmpeg's depacketizer cannot put it together again


def packetize(obus: Sequence[bytes], max_payload_bytes: int = 1400) -> list[bytes]:
    """The RTP payloads of one temporal unit, filled one after the other; OBUs are cut wherever a packet is full.

    The OBUs are those of one layer, without their sizes. Delimiters and tile lists are left out (5).
    """
    assert max_payload_bytes >= 1 + _LEAST_PIECE_BYTES
    payloads: list[bytes] = []
    elements: list[bytes] = []
    sendable = _sendable(obus)
    flags = NEW_SEQUENCE if sendable and obu_type(sendable[0][0]) == SEQUENCE_HEADER else 0
    for obu in sendable:
        start = 0
        while start < len(obu):
            room = max_payload_bytes - _filled(elements)
            if len(elements) == MOST_COUNTED or room < _LEAST_PIECE_BYTES:
                payloads.append(_payload(elements, flags))
                flags, elements = 0, []
                continue
            elements.append(obu[start : start + room])
            start += room
            if start < len(obu):
                payloads.append(_payload(elements, flags | UNFINISHED))
                flags, elements = CONTINUES, []
    if elements:
        payloads.append(_payload(elements, flags))
    return payloads


def _sendable(obus: Sequence[bytes]) -> list[bytes]:
    for obu in obus:
        if not obu or obu[0] & (FORBIDDEN_BIT | HAS_SIZE):
            raise CodecError(f"an OBU that starts with {obu[:1].hex() or 'nothing'} cannot be sent over RTP")
    return [obu for obu in obus if obu_type(obu[0]) not in (TEMPORAL_DELIMITER, TILE_LIST)]


def _filled(elements: list[bytes]) -> int:
    """The bytes before an element that comes next: all elements with their lengths, and the aggregation header."""
    return 1 + sum(len(leb128(len(element))) + len(element) for element in elements)


def _payload(elements: list[bytes], flags: int) -> bytes:
    *counted, last = elements
    lengths = b"".join(leb128(len(element)) + element for element in counted)
    return bytes((flags | len(elements) << COUNT_SHIFT,)) + lengths + last
