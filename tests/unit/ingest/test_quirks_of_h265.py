"""What cameras do to H.265, through the whole client: every NAL unit must be in the spool as it was sent.

Each case is named after its quirk in docs/quirks.md. What a parameter set may hold is in tests/unit/media, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from media.errors import GapReason
from media.h265_packetize import packetize
from tests.builders_h264 import with_start_codes
from tests.builders_h265 import AUD, PPS, SEI, SPS, SUFFIX_SEI, VPS, aggregate, fragments, make_sps, make_vps
from tests.builders_recorded import FRAME_TICKS, nals_of
from tests.builders_scripted_camera import SDP, SPROP, Film, conversation, described, filmed

Packets = list[bytes]
DESCRIPTION = SDP.replace("H264", "H265").replace(f"packetization-mode=1;sprop-parameter-sets={SPROP}", "")
IDR, CRA, TRAIL, TRAIL_N = 19, 21, 1, 0


@dataclass(frozen=True)
class Case:
    """A way to send a frame, what is in front of its sync samples, and the types of its slices."""

    name: str
    send: Callable[[Film, Packets], Packets]
    sets: tuple[bytes, ...] = (VPS, SPS, PPS)
    sync: int = IDR
    other: int = TRAIL


def _nals(film: Film, case: Case) -> Packets:
    sync = film.number % film.gop == 0
    header = ((case.sync if sync else case.other) << 9 | 1).to_bytes(2, "big")
    picture = header + b"\x80" + bytes((0x40 + film.number,)) * 300
    return [*case.sets, picture] if sync else [picture]


def _send(film: Film, payloads: Packets, *, marked: tuple[int, ...] = ()) -> Packets:
    last = len(payloads) - 1
    sent = [film.packet(payload, marker=place == last or place in marked) for place, payload in enumerate(payloads)]
    film.next_frame()
    return sent


def _plainly(film: Film, nals: Packets) -> Packets:
    return _send(film, packetize(nals, 100))


def _fu(change: Callable[[int, bytes], bytes]) -> Callable[[Film, Packets], Packets]:
    """Pictures in three fragments, each changed as `change(index, payload)` says."""

    def send(film: Film, nals: Packets) -> Packets:
        *sets, picture = nals
        return _send(film, [*sets, *(change(index, part) for index, part in enumerate(fragments(picture, 3)))])

    return send


def _whole_in_one(film: Film, nals: Packets) -> Packets:
    payloads = [bytes((nal[0] & 0x81 | 49 << 1, nal[1], 0xC0 | nal[0] >> 1)) + nal[2:] for nal in nals]
    return _send(film, payloads)


def _with_empty_fragments(film: Film, nals: Packets) -> Packets:
    payloads = []
    for nal in nals:
        head, kind = bytes((nal[0] & 0x81 | 49 << 1, nal[1])), nal[0] >> 1
        parts = [(0x80, b""), (0, nal[2:]), (0, b""), (0x40, b"")]
        payloads += [head + bytes((bits | kind,)) + part for bits, part in parts]
    return _send(film, payloads)


def _apart(film: Film, nals: Packets) -> Packets:
    """Marked sets with the timestamp of the picture before."""
    *sets, picture = nals
    film.ticks -= FRAME_TICKS
    sent = [film.packet(nal, marker=True) for nal in sets]
    film.ticks += FRAME_TICKS
    return sent + _send(film, packetize([picture], 100))


def _strung(film: Film, nals: Packets) -> Packets:
    return _send(film, packetize([with_start_codes(nals)[4:]], 100))


CASES = [
    Case("H1 several sub-layers", _plainly, sets=(make_vps(3), make_sps(sub_layers=3), PPS)),
    Case("H2 YI Pro 2K: predicted reference picture sets", _plainly, sets=(VPS, make_sps(inter_rps=True), PPS)),
    Case("H3 Reolink RLC-423: hypothetical decoder parameters", _plainly, sets=(VPS, make_sps(hrd=True), PPS)),
    Case("H3 scaling lists", _plainly, sets=(VPS, make_sps(scaling=True), PPS)),
    Case("H4 Tenda CP3PRO: a set that ends in nonsense", _plainly, sets=(VPS, make_sps(hrd=True)[:28] + b"\xff", PPS)),
    Case("H6 Intel N100: type 0", _plainly, other=TRAIL_N),
    Case("H7 start and end in one fragment", _whole_in_one),
    Case("H7 empty fragments", _with_empty_fragments),
    Case("H7 another type in later fragments", _fu(lambda i, p: p[:2] + bytes((p[2] & 0xC0 | 2,)) + p[3:] if i else p)),
    Case("H7 sync samples that are no IDR pictures", _plainly, sync=CRA),
    Case("H8 a byte stream in fragments", _strung),
    Case("V1 V2 V3 marked sets with an older timestamp", _apart),
    Case("an aggregate", lambda film, nals: _send(film, [aggregate(*nals[:-1], nals[-1][:90])] if nals[1:] else nals)),
    Case("delimiter and SEI", _plainly, sets=(AUD, VPS, SPS, PPS, SEI)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_nal_unit_is_stored_as_it_was_sent(case: Case) -> None:
    """All of them, in their units, in order; no damage, no gap; and the file is described by the sets."""
    sent = []
    async with filmed(conversation(describe=described(DESCRIPTION))) as film:
        film.gop = 2
        for _ in range(50):
            sent.append(_nals(film, case))
            await film.play_packets(case.send(film, sent[-1]))
    stored = nals_of(film.record())
    assert stored == [
        [*unit[:-1], unit[-1][:90]] if unit[1:] and case.name == "an aggregate" else unit for unit in sent
    ]
    assert (film.damage(), film.gap_reasons()) == (0, [GapReason.SHUTDOWN])
    (scan,) = film.scans()
    assert scan.track.codec.startswith("hvc1.1.")
    assert all(nal in scan.track.sample_entry for nal in case.sets if nal[0] >> 1 in {32, 33, 34})


async def test_a_suffix_goes_with_its_picture() -> None:
    """An SEI message behind the slices, before the marker."""
    case = Case("suffix", _plainly)
    async with filmed(conversation(describe=described(DESCRIPTION))) as film:
        sent = []
        for _ in range(10):
            sent.append([*_nals(film, case), SUFFIX_SEI])
            await film.play_packets(_plainly(film, sent[-1]))
    assert nals_of(film.record()) == sent


@pytest.mark.parametrize(
    ("fmtp", "words"),
    [
        ("sprop-max-don-diff=2", "unsupported: the camera offers H265 with decoding order numbers"),
        ("tx-mode=MRST", "unsupported: the camera offers H265 over several streams"),
    ],
    ids=["H8 decoding order numbers", "several streams"],
)
async def test_what_comes_in_another_order_is_refused_by_name(fmtp: str, words: str) -> None:
    """Before the first packet."""
    sdp = DESCRIPTION.replace("a=fmtp:96 ", f"a=fmtp:96 {fmtp}")
    async with filmed(conversation(describe=described(sdp))) as film:
        assert film.told[0].startswith(words)
