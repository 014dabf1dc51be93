"""Sound as real cameras send it: a table of cases, named after the camera or what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from media.audio_codecs import choose_audio
from media.errors import CodecError
from tests.builders_audio import AAC, OPUS, PCMA, PCMU, Hearer, au, offer

FRAME, OTHER = bytes(range(200)), bytes(range(100, 250))
LARGE = bytes(index % 251 for index in range(3000))
PARTS = [au(LARGE[at : at + 1000], size=3000) for at in (0, 1000, 2000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One payload; `lost` is how many are missing before it."""

    payload: bytes
    timestamp: int
    marker: bool = True
    lost: int = 0


def fragment(number: int, timestamp: int, lost: int = 0) -> Packet:
    """One of three fragments of LARGE."""
    return Packet(payload=PARTS[number], timestamp=timestamp, marker=number == 2, lost=lost)


AFTER = Packet(payload=au(OTHER), timestamp=9216)

STREAMS = {
    # name: (description, packets, frames, times, lost packets of each, errors)
    "A1 Reolink: a semicolon at the end, names in any case": (
        AAC.replace("sizelength", "SizeLength").replace("mode=", "Mode=") + ";",
        [Packet(payload=au(FRAME), timestamp=1)],
        [FRAME],
        [1],
        [0],
        0,
    ),
    "A2 an AU in fragments": (
        AAC,
        [fragment(0, 0), fragment(1, 0), fragment(2, 0)],
        [LARGE],
        [0],
        [0],
        0,
    ),
    "A2 the first fragment lost": (AAC, [fragment(1, 0, 1), fragment(2, 0), AFTER], [OTHER], [9216], [1], 0),
    "A2 the middle fragment lost": (AAC, [fragment(0, 0), fragment(2, 0, 1), AFTER], [OTHER], [9216], [1], 0),
    "A2 the last fragment lost": (
        AAC,
        [fragment(0, 0), fragment(1, 0), Packet(payload=au(OTHER), timestamp=1024, lost=1)],
        [OTHER],
        [1024],
        [1],
        0,
    ),
    "A2 the end of one AU and the beginning of the next lost": (
        AAC,
        [fragment(0, 0), fragment(1, 1024, 3), fragment(2, 1024), AFTER],
        [OTHER],
        [9216],
        [3],
        0,
    ),
    "A2 we join in the midst of an AU": (AAC, [fragment(1, 0), fragment(2, 0), AFTER], [OTHER], [9216], [0], 0),
    "A2 an old loss does not hide a new error": (
        AAC,
        [fragment(1, 0, 1), fragment(2, 0), fragment(1, 1024), fragment(2, 1024), AFTER],
        [OTHER],
        [9216],
        [2],
        1,
    ),
    "A2 an AU whose end never comes, though nothing is missing": (
        AAC,
        [Packet(payload=au(FRAME), timestamp=0), fragment(0, 1024), Packet(payload=au(OTHER), timestamp=2048)],
        [FRAME, OTHER],
        [0, 2048],
        [0, 1],
        1,
    ),
    "A3 three AUs in a packet, across the wrap of the clock": (
        AAC,
        [Packet(payload=au(FRAME, OTHER, FRAME), timestamp=0xFFFF_FC00)],
        [FRAME, OTHER, FRAME],
        [0xFFFF_FC00, 0, 1024],
        [0, 0, 0],
        0,
    ),
    "A4 44.1 kHz, two channels": (
        AAC.replace("16000/1", "44100/2").replace("1408", "1210"),
        [Packet(payload=au(FRAME, OTHER), timestamp=100)],
        [FRAME, OTHER],
        [100, 1124],
        [0, 0],
        0,
    ),
    "A6 an interleaved packet among others": (
        AAC,
        [Packet(payload=au(FRAME, index=1), timestamp=0), AFTER],
        [OTHER],
        [9216],
        [1],
        1,
    ),
    "A7 G.711 in packets of 384": (PCMU, [Packet(payload=bytes(384), timestamp=1)], [bytes(384)], [1], [0], 0),
    "D6 GW: payload type 8 mapped to PCMU": (
        PCMA + "\r\na=rtpmap:8 PCMU/8000",
        [Packet(payload=b"abc", timestamp=1)],
        [b"abc"],
        [1],
        [0],
        0,
    ),
    "D8 VStarcam: blanks at the end": (
        "m=audio 0 RTP/AVP 8\t ",
        [Packet(payload=b"abc", timestamp=1)],
        [b"abc"],
        [1],
        [0],
        0,
    ),
}


@pytest.mark.parametrize("case", STREAMS.values(), ids=STREAMS)
def test_streams_of_sound(case: tuple[str, list[Packet], list[bytes], list[int], list[int], int]) -> None:
    """What comes out, when, what it lacks, and how many packets were named as malformed."""
    section, packets, frames, times, lost, errors = case
    hearer = Hearer(section)
    for packet in packets:
        hearer.push(packet.payload, packet.timestamp, marker=packet.marker, lost=packet.lost)
    assert hearer.frames == frames
    assert (hearer.times, hearer.losses, len(hearer.errors)) == (times, lost, errors)


REFUSED = {
    "A5 another mode": (AAC.replace("AAC-hbr", "AAC-lbr"), "mode 'AAC-lbr'"),
    "A5 other sizes": (AAC.replace("sizelength=13", "sizelength=6"), "sizelength '6'"),
    "A5 sizes that are missing": (AAC.replace("sizelength=13;", ""), "sizelength ''"),
    "A5 the clock is not the sampling rate": (AAC.replace("16000/1", "8000/1"), "16000 Hz on an RTP clock of 8000"),
    "A5 other channels": (AAC.replace("16000/1", "16000/2"), "1 channels described as one of 2"),
    "A5 without a config": (AAC.replace("config=1408", ""), "without a usable config"),
    "A5 a config that is none": (AAC.replace("config=1408", "config=zz"), "without a usable config"),
    "A6 HE-AAC": (AAC.replace("1408", "2c0a8800"), r"HE-AAC \(SBR\)"),
    "A6 HE-AAC v2": (AAC.replace("1408", "ec0a8800"), "HE-AAC v2"),
    "A6 a program config element": (AAC.replace("1408", "1400"), "program config element"),
    "A6 interleaving of timestamps": (AAC + ";ctsDeltaLength=8", "ctsdeltalength"),
    "A6 LATM": ("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MP4A-LATM/16000/1", r"AAC in LATM \(RFC 6416\)"),
    "A8 Dahua: G.723.1": ("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 G723.1/8000", r"G\.723\.1 is not supported"),
    "A8 the static type of G.723": ("m=audio 0 RTP/AVP 4", r"G\.723\.1 is not supported"),
    "D6 Anpviz: payload type 0 mapped to AAC without a mode": (
        "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MPEG4-GENERIC/16000/2\r\na=fmtp:0 config=1408",
        "in mode ''",
    ),
    "Opus on another clock": (OPUS.replace("48000", "16000"), "16000 Hz, not 48000"),
    "G.711 of five channels": ("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 PCMA/8000/5", "5 channels"),
    "no name at all": ("m=audio 0 RTP/AVP 99", "payload type 99 is not supported"),
}


@pytest.mark.parametrize(("section", "complaint"), REFUSED.values(), ids=REFUSED)
def test_sound_that_cannot_be_recorded_is_named(section: str, complaint: str) -> None:
    """So that the camera's state can say it; its video is another matter."""
    with pytest.raises(CodecError, match=complaint):
        choose_audio(offer(section), lambda unit: None)


def test_the_first_sound_that_can_be_recorded_is_chosen() -> None:
    """Ubiquiti offers AAC without a word about it and Opus, both as they like (quirk D5); video is no sound."""
    nothing = "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/16000\r\na=fmtp:96"
    chosen = choose_audio(offer("m=video 0 RTP/AVP 8", nothing, OPUS, PCMU), lambda unit: None)
    assert chosen is not None
    assert chosen[0].encoding == "OPUS"
    assert choose_audio(offer("m=video 0 RTP/AVP 8"), lambda unit: None) is None
