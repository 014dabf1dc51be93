"""What cameras do to their packets, through the whole client: every NAL unit must be in the spool as it was sent.

Each case is named after its quirk in docs/quirks.md and a camera it was seen on. It is a way to send one frame; two
seconds of them are recorded from a socket, bit for bit. What costs a frame is in test_quirks_that_cost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from media.errors import GapReason
from media.h264 import packetize
from media.h264_packetize import FU_END, FU_START
from media.rtcp import SenderReport, build_sender_report
from tests.builders_h264 import AUD, PPS, SEI, SPS, fragments, frame, packet, stap, with_start_codes
from tests.builders_recorded import FRAME_TICKS, FRAME_US, nals_of, numbers
from tests.builders_scripted_camera import SESSION, Film, Turn, conversation, filmed, message, ok

Packets = list[bytes]
OTHER_SPS = bytes.fromhex("6764001facd9405005bb016a02020280000003008000001e078c18cb")
SECOND_SPS = bytes.fromhex("6764001e") + bytes.fromhex("56cca05017fcb080000003008000000301e418b16cb0")
SECOND_PPS = b"\x68\x53\x8f"


@dataclass(frozen=True)
class Case:
    """A way to send a frame, and the parameter sets in front of its sync samples."""

    name: str
    send: Callable[[Film], Packets]
    sets: tuple[bytes, ...] = (SPS, PPS)


def _send(film: Film, payloads: Packets, *, marks: Callable[[int], bool] = lambda _left: False) -> Packets:
    """Payloads of this frame, the last one marked, and each for which `marks` says so of the count behind it."""
    sent = []
    for left, payload in zip(range(len(payloads) - 1, -1, -1), payloads, strict=True):
        sent.append(film.packet(payload, marker=left == 0 or marks(left)))
    film.next_frame()
    return sent


def _apart(film: Film, *, ticks_behind: int, marks: tuple[int, ...] = ()) -> Packets:
    """The sets with an earlier timestamp than their picture; those of these places marked."""
    *sets, picture = film.nals()
    film.ticks -= ticks_behind
    sent = [film.packet(nal, marker=place in marks) for place, nal in enumerate(sets)]
    film.ticks += ticks_behind
    return sent + _send(film, packetize([picture], film.packet_bytes))


def _byte_stream(film: Film, wrap: Callable[[Film, bytes], Packets], codes: bytes = b"\x00\x00\x00\x01") -> Packets:
    nals = film.nals()
    if len(nals) == 1:
        return film.packets()
    return _send(film, wrap(film, codes.join(nals)))


def _fu_a(film: Film, change: Callable[[int, bytes], bytes]) -> Packets:
    """Every NAL unit in fragments, each changed as `change(index, payload)` says."""
    payloads = []
    for nal in film.nals():
        parts = fragments(nal, 3) if len(nal) > 3 else [nal]
        payloads += [change(index, part) for index, part in enumerate(parts)]
    return _send(film, payloads)


def _whole_in_one(film: Film) -> Packets:
    payloads = [bytes((nal[0] & 0x60 | 28, FU_START | FU_END | nal[0] & 31)) + nal[1:] for nal in film.nals()]
    return _send(film, payloads)


def _with_empty_fragments(film: Film) -> Packets:
    payloads = []
    for nal in film.nals():
        indicator, kind = nal[0] & 0x60 | 28, nal[0] & 31
        empty = [bytes((indicator, bits | kind)) for bits in (FU_START, 0, FU_END)]
        payloads += [empty[0], bytes((indicator, kind)) + nal[1:], empty[1], empty[2]]
    return _send(film, payloads)


def _beside(extra: Callable[[Film], bytes]) -> Callable[[Film], Packets]:
    """Something between each two packets."""

    def send(film: Film) -> Packets:
        return [content for sent in film.packets() for content in (sent, extra(film))]

    return send


def _geovision(film: Film) -> Packets:
    sent = film.packets()
    return [*sent, frame(0, packet(b"\x01\x02", film.sequence - 1, film.ticks, payload_type=50))]


def _second_source(film: Film) -> bytes:
    return frame(0, packet(b"\x41\x9a" + bytes(50), film.sequence * 3 & 0xFFFF, film.ticks, ssrc=0xBAD, marker=True))


def _report(ssrc: int) -> Callable[[Film], bytes]:
    def report(film: Film) -> bytes:
        told = SenderReport(ssrc=ssrc, ntp=1 << 63, rtp_timestamp=film.ticks & 0xFFFFFFFF, packets=1, octets=1)
        return frame(1, build_sender_report(told))

    return report


def _dressed(first: int, before: bytes, behind: bytes) -> Callable[[Film], Packets]:
    """Packets with optional header fields in front of their payload, and padding behind it."""

    def send(film: Film) -> Packets:
        dressed = []
        for sent in film.packets():
            content = sent[4:]
            body = bytes((first, content[1])) + content[2:12] + before + content[12:] + behind
            dressed.append(frame(0, body))
        return dressed

    return send


def _slices(film: Film) -> Packets:
    """Four slices, each of a sync sample behind parameter sets of its own, as GStreamer sends them."""
    return _send(film, [piece for nal in film.nals() for piece in packetize([nal], film.packet_bytes)])


CASES = [
    Case("I1: packets on channels that nobody set up", _beside(lambda _film: frame(7, b"\x80\x60" + bytes(20)))),
    Case("I5 Reolink RLC-410: a second source on the channel", _beside(_second_source)),
    Case("R1 Geovision GV-EBD4701: another payload type with the number of the packet before", _geovision),
    Case("R4 Tapo C320WS: reports of an SSRC that nobody knows", _beside(_report(0xDEAD))),
    Case("R4 reports of the source itself, on their channel", _beside(_report(7))),
    Case("R5 a header extension", _dressed(0x90, b"\xbe\xde\x00\x02" + bytes(8), b"")),
    Case("R5 an empty header extension", _dressed(0x90, b"\xab\xac\x00\x00", b"")),
    Case("R5 contributing sources", _dressed(0x82, bytes(8), b"")),
    Case("R5 padding", _dressed(0xA0, b"", b"\x00\x00\x00\x04")),
    Case("R5 all of them", _dressed(0xB1, bytes(4) + b"\xab\xac\x00\x01" + bytes(4), b"\x00\x02")),
    Case("S24 empty lines between the packets", _beside(lambda _film: b"\r\n")),
    Case(
        "S25 the camera asks in the midst of it", _beside(lambda _film: message("OPTIONS * RTSP/1.0", cseq="CSeq: 1"))
    ),
    Case(
        "V1 Reolink RLC-822A: a marked SPS, and another timestamp",
        lambda film: _apart(film, ticks_behind=90, marks=(0,)),
    ),
    Case(
        "V2 the same: parameter sets with the timestamp of the picture before",
        lambda film: _apart(film, ticks_behind=FRAME_TICKS),
    ),
    Case("V2 and V3 together", lambda film: _apart(film, ticks_behind=FRAME_TICKS, marks=(0, 1))),
    Case(
        "V3 LV-IP22IR40DVBL: SPS, PPS and SEI marked",
        lambda film: _apart(film, ticks_behind=0, marks=(0, 1, 2)),
        sets=(SPS, PPS, SEI),
    ),
    Case("V4 V380, macro-video: a byte stream in one NAL unit", lambda film: _byte_stream(film, lambda _f, nal: [nal])),
    Case("V4 in a STAP-A", lambda film: _byte_stream(film, lambda _f, nal: [stap(nal)])),
    Case("V4 with short start codes", lambda film: _byte_stream(film, lambda _f, nal: [nal], b"\x00\x00\x01")),
    Case("V4 with zeros in front of them", lambda film: _byte_stream(film, lambda _f, nal: [nal], bytes(6) + b"\x01")),
    Case(
        "V4 in fragments cut anywhere",
        lambda film: _byte_stream(film, lambda f, nal: packetize([nal], 3 + f.number // f.gop % 40)),
    ),
    Case(
        "V4 with a delimiter in front",
        lambda film: _byte_stream(film, lambda _f, nal: packetize([nal], 100)),
        sets=(AUD, SPS, PPS, SEI),
    ),
    Case(
        "V4 with an SEI in front",
        lambda film: _byte_stream(film, lambda _f, nal: packetize([nal], 100)),
        sets=(SEI, SPS, PPS),
    ),
    Case("V4 a packet that begins with a start code", lambda film: _send(film, [with_start_codes(film.nals())])),
    Case("V7 Reolink doorbell: a byte behind the SPS", Film.packets, sets=(SPS + b"\x04", PPS)),
    Case(
        "V9 Longse CMSEKL800, HeroSpeed: the reserved bit",
        lambda f: _fu_a(f, lambda _i, p: p[:1] + bytes((p[1] | 32,)) + p[2:]),
    ),
    Case(
        "V10 Tiandy: another type in later fragments",
        lambda f: _fu_a(f, lambda i, p: p[:1] + bytes((p[1] & 0xE0 | 1,)) + p[2:] if i else p),
    ),
    Case("V11 OpenIPC SSC378DE: start and end in one fragment", _whole_in_one),
    Case("V12 empty fragments", _with_empty_fragments),
    Case("V16 two of each parameter set", Film.packets, sets=(SPS, SECOND_SPS, PPS, SECOND_PPS)),
    Case("several slices, parameter sets before each", _slices, sets=(SPS, PPS, b"\x65\x88first", SPS, PPS)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_nal_unit_is_stored_as_it_was_sent(case: Case) -> None:
    """All of them, in their units, in order; no damage, no gap."""
    sent = []
    async with filmed() as film:
        film.sets = case.sets
        film.gop = 2
        film.picture_bytes = 120
        for _ in range(50):
            sent.append(film.nals())
            await film.play_packets(case.send(film))
    stored = film.record()
    assert nals_of(stored) == sent
    assert (film.damage(), film.gap_reasons()) == (0, [GapReason.SHUTDOWN])
    assert all(after.shown_us > before.shown_us for before, after in itertools.pairwise(stored))


async def test_markers_are_not_needed() -> None:
    """A unit ends with the timestamp of the next one; the last one waits in vain, and the gap begins before it."""
    async with filmed() as film:
        await film.play(50, lambda packets: [sent[:5] + bytes((sent[5] & 0x7F,)) + sent[6:] for sent in packets])
    stored = film.record()
    assert numbers(stored) == list(range(49))
    assert film.rig.ledger(film.footage()).gaps[-1].start_us == film.footage()[-1].end_us


async def test_timestamps_wrap_and_go_back() -> None:
    """After 30 frames at 32 bits; then 0.7 s back, as retina's users saw (quirk R3)."""
    async with filmed() as film:
        film.ticks = (1 << 32) - 30 * FRAME_TICKS
        await film.play(60)
        film.ticks -= 63_000
        await film.play(60)
    stored = film.record()
    assert numbers(stored) == list(range(120))
    assert all(after.shown_us > before.shown_us for before, after in itertools.pairwise(stored))
    assert film.gap_reasons() == [GapReason.SHUTDOWN]


async def test_frames_that_are_shown_in_another_order_need_no_decode_times() -> None:
    """Two B-frames between each two others, as Amcrest sends them: each at its own time, in one session (quirk V18)."""
    shown: dict[int, int] = {}
    async with filmed() as film:
        film.gop = 24
        first = film.ticks
        for place in range(96):
            at = place if place % 24 == 0 else place + {1: 2, 2: -1, 0: -1}[place % 24 % 3]
            at = min(at, place // 24 * 24 + 23)
            film.ticks = first + at * FRAME_TICKS
            shown[film.number] = at
            await film.play(1)
    stored = film.record()
    assert numbers(stored) == list(range(96))
    assert [round((unit.shown_us - stored[0].shown_us) / FRAME_US) for unit in stored] == list(shown.values())
    assert film.gap_reasons() == [GapReason.SHUTDOWN]
    assert len(film.camera.lines) == 1


async def test_frames_before_the_answer_to_play_are_passed_over() -> None:
    """Sender reports (Reolink) and packets (v4l2rtspserver), on channels that are set up and on others (quirk I2)."""
    early = b"".join(frame(channel, packet(b"\x65\x88", 9, ssrc=3, marker=True)) for channel in (0, 1, 2))
    turns = conversation(
        setup=Turn("^SETUP ", ok("Transport: RTP/AVP/TCP;unicast;interleaved=0-1", SESSION), before=early),
        play=Turn("^PLAY ", ok(SESSION), before=frame(1, b"\x80\xc8\x00\x01\x00\x00\x00\x07")),
    )
    async with filmed(turns) as film:
        await film.play(30)
    assert numbers(film.record()) == list(range(30))


@pytest.mark.parametrize("channels", [(2, 3), (4, 5), (254, 255)])
async def test_a_camera_may_choose_other_channels(channels: tuple[int, int]) -> None:
    """Its answer counts, not what was asked for (quirk I6)."""
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved={}-{}".format(*channels)
    async with filmed(conversation(setup=ok(transport, SESSION))) as film:
        film.channel = channels[0]
        await film.play(30)
    assert numbers(film.record()) == list(range(30))


async def test_several_parameter_sets_are_all_in_the_file() -> None:
    """Two SPS and two PPS: the description of the file has each of them, once (quirk V16)."""
    async with filmed() as film:
        film.sets = (SPS, SECOND_SPS, PPS, SECOND_PPS)
        await film.play(30)
    film.record()
    (scan,) = film.scans()
    for parameter_set in film.sets:
        assert scan.track.sample_entry.count(len(parameter_set).to_bytes(2, "big") + parameter_set) == 1


@pytest.mark.parametrize("changed", ["SPS", "PPS", "both"])
async def test_changed_parameter_sets_begin_a_span_and_repeated_ones_do_not(changed: str) -> None:
    """Whichever of them changed (quirk V15)."""
    sets = {"SPS": (OTHER_SPS, PPS), "PPS": (SPS, PPS[:-1] + b"\xc8"), "both": (OTHER_SPS, PPS[:-1] + b"\xc8")}
    async with filmed() as film:
        await film.play(50)
        film.sets = sets[changed]
        await film.play(50)
    stored = film.record()
    assert [unit.span for unit in stored] == [0] * 50 + [1] * 50
    assert numbers(stored) == list(range(100))


async def test_units_without_a_picture_are_not_units() -> None:
    """Delimiter, parameter sets and SEI, marked, again and again: they go with the picture that follows (quirk V19)."""
    async with filmed() as film:
        await film.play(10)
        film.ticks += 100
        for _ in range(5):
            await film.play_packets([film.packet(stap(AUD, SPS, PPS, SEI), marker=True)])
        film.ticks -= 100
        await film.play(10)
    stored = film.record()
    assert numbers(stored) == list(range(20))
    assert list(stored[10].nals[:-1]) == [AUD, SPS, PPS, SEI] * 5
