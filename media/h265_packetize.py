"""Access units of H.265 into RTP payloads (RFC 7798), as the simulated cameras send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h265_nal import FIRST_NON_VCL, HEADER_BYTES, is_nal_header, nal_type
from media.nal_depacketizer import FU_END, FU_START

if TYPE_CHECKING:
    from collections.abc import Sequence

AGGREGATE, FRAGMENT, PACI = 48, 49, 50
"""Types of packets that are not one NAL unit (4.4): AP, FU, PACI."""

_KEEP_LAYER_BIT = 0x81
_LAYER_MASK, _TEMPORAL_ID_MASK = 0x1F8, 0x07


def packetize(nals: Sequence[bytes], max_payload_bytes: int = 1400) -> list[bytes]:
    """The RTP payloads of one access unit: leading small NAL units in an AP, the others whole or in FUs."""
    assert max_payload_bytes > HEADER_BYTES + 1
    for nal in nals:
        if len(nal) < HEADER_BYTES or not is_nal_header(nal[0], nal[1]):
            raise CodecError(f"a NAL unit that starts with {nal[:2].hex() or 'nothing'} cannot be sent over RTP")
    payloads: list[bytes] = []
    leading = _leading(nals, max_payload_bytes)
    if leading > 1:
        payloads.append(_aggregate(nals[:leading]))
    else:
        leading = 0
    for nal in nals[leading:]:
        if len(nal) <= max_payload_bytes:
            payloads.append(nal)
        else:
            payloads.extend(_fragments(nal, max_payload_bytes))
    return payloads


def _leading(nals: Sequence[bytes], max_payload_bytes: int) -> int:
    """How many NAL units before the picture (access unit delimiter, parameter sets, SEI) fit one packet together."""
    size = HEADER_BYTES
    for count, nal in enumerate(nals):
        size += 2 + len(nal)
        if size > max_payload_bytes or nal_type(nal) < FIRST_NON_VCL:
            return count
    return len(nals)


def _aggregate(nals: Sequence[bytes]) -> bytes:
    """An AP (4.4.2): layer and temporal id are the lowest of all."""
    headers = [int.from_bytes(nal[:HEADER_BYTES], "big") for nal in nals]
    lowest = min(header & _LAYER_MASK for header in headers) | min(header & _TEMPORAL_ID_MASK for header in headers)
    header = (AGGREGATE << 9 | lowest).to_bytes(HEADER_BYTES, "big")
    return header + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def _fragments(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    """FUs (4.4.3)."""
    header = bytes((nal[0] & _KEEP_LAYER_BIT | FRAGMENT << 1, nal[1]))
    kind = nal_type(nal)
    step = max_payload_bytes - HEADER_BYTES - 1
    fragments = []
    for start in range(HEADER_BYTES, len(nal), step):
        first = FU_START if start == HEADER_BYTES else 0
        last = FU_END if start + step >= len(nal) else 0
        fragments.append(header + bytes((first | last | kind,)) + nal[start : start + step])
    return fragments
