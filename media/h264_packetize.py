"""Access units into RTP payloads (RFC 6184), as the simulated cameras send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError
from media.nal import FORBIDDEN_BIT, IDR_SLICE, NRI_MASK, TYPE_MASK, nal_type
from media.nal_depacketizer import FU_END, FU_START

if TYPE_CHECKING:
    from collections.abc import Sequence

STAP_A, STAP_B = 24, 25
FU_A, FU_B = 28, 29


def packetize(nals: Sequence[bytes], max_payload_bytes: int = 1400) -> list[bytes]:
    """The RTP payloads of one access unit: leading small NAL units in a STAP-A, the others whole or in FU-A."""
    assert max_payload_bytes > 2
    for nal in nals:
        if not nal or not 1 <= nal[0] & (FORBIDDEN_BIT | TYPE_MASK) < STAP_A:
            raise CodecError(f"a NAL unit that starts with {nal[:1].hex() or 'nothing'} cannot be sent over RTP")
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
    size = 1
    for count, nal in enumerate(nals):
        size += 2 + len(nal)
        if size > max_payload_bytes or nal_type(nal) <= IDR_SLICE:
            return count
    return len(nals)


def _aggregate(nals: Sequence[bytes]) -> bytes:
    importance = max(nal[0] & NRI_MASK for nal in nals)
    return bytes((importance | STAP_A,)) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def _fragments(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    indicator = nal[0] & NRI_MASK | FU_A
    kind = nal[0] & TYPE_MASK
    step = max_payload_bytes - 2
    fragments = []
    for start in range(1, len(nal), step):
        first = FU_START if start == 1 else 0
        last = FU_END if start + step >= len(nal) else 0
        fragments.append(bytes((indicator, first | last | kind)) + nal[start : start + step])
    return fragments
