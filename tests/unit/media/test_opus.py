"""Opus and G.711 over RTP: a packet is a unit, and its bytes tell how long it lasts."""

from __future__ import annotations

import struct

import pytest

from media.errors import CodecError
from media.opus import packet_ticks
from tests.builders_audio import OPUS, PCMA, PCMU, Hearer, encoded


def test_an_encoders_packets_come_out_as_they_went_in() -> None:
    """Bit for bit; the lengths add up to the sound and what the encoder adds."""
    packets, _extradata = encoded("libopus", rate=48_000)
    hearer = Hearer(OPUS)
    for number, packet in enumerate(packets):
        hearer.push(packet, number * 960)
    assert hearer.frames == packets
    assert {unit.duration_ticks for unit in hearer.units} == {960}
    track = hearer.units[0].parameters.track(48_000)  # type: ignore[union-attr] # set on the first
    assert (track.codec, track.sample_entry[4:8]) == ("opus", b"Opus")
    assert track.sample_entry.endswith(struct.pack(">I4sBBHIhB", 19, b"dOps", 0, 1, 0, 48_000, 0, 0))


@pytest.mark.parametrize(
    ("packet", "ticks"),
    [
        (b"\x00", 480),  # SILK, 10 ms, one frame
        (b"\x18", 2880),  # SILK, 60 ms
        (b"\x60x", 480),  # hybrid, 10 ms
        (b"\x78x", 960),
        (b"\x80x", 120),  # CELT, 2.5 ms
        (b"\xf8x", 960),  # CELT, 20 ms
        (b"\xf9xx", 1920),
        (b"\xfa\x01xx", 1920),
        (b"\xfb\x03xxx", 2880),
        (b"\xfb\x86xxx", 5760),  # 120 ms, the most
    ],
)
def test_the_first_bytes_tell_how_long_a_packet_lasts(packet: bytes, ticks: int) -> None:
    """RFC 6716 3.1 and 3.2."""
    assert packet_ticks(packet) == ticks


@pytest.mark.parametrize("packet", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x07xxx", b"\x1b\x03x"])
def test_packets_of_no_length_or_of_too_much_are_refused(packet: bytes) -> None:
    """No frame, or more than 120 ms."""
    with pytest.raises(CodecError):
        packet_ticks(packet)


def test_a_stereo_packet_makes_a_stereo_track() -> None:
    """Descriptions rarely say it (sprop-stereo); the first packet does, or the description."""
    for section, first in ((OPUS, b"\xfcx"), (OPUS.replace("sprop-stereo=0", "sprop-stereo=1"), b"\xf8x")):
        hearer = Hearer(section)
        hearer.push(first)
        track = hearer.units[0].parameters.track(48_000)  # type: ignore[union-attr] # set on the first
        assert track.sample_entry[-10] == 2


def test_a_malformed_opus_packet_is_lost_and_nothing_else() -> None:
    """Counted in the next unit."""
    hearer = Hearer(OPUS)
    hearer.push(b"\xfb", 0, lost=1)
    hearer.push(b"", 960)
    hearer.push(b"\xf8x", 1920)
    assert (hearer.frames, hearer.losses, len(hearer.errors)) == ([b"\xf8x"], [2], 1)


@pytest.mark.parametrize(("section", "entry"), [(PCMU, b"ulaw"), (PCMA, b"alaw")])
def test_g711_is_a_byte_a_sample(section: str, entry: bytes) -> None:
    """384 bytes last 384 ticks (quirk A7)."""
    hearer = Hearer(section)
    hearer.push(bytes(range(192)) * 2, 5)
    hearer.push(b"", 389)
    hearer.push(b"x", 389, lost=3)
    assert [unit.duration_ticks for unit in hearer.units] == [384, 1]
    assert (hearer.times, hearer.losses, hearer.errors) == ([5, 389], [0, 3], [])
    track = hearer.units[0].parameters.track(8_000)  # type: ignore[union-attr] # set on the first
    assert (track.sample_entry[4:8], track.timescale) == (entry, 8_000)


def test_half_a_stereo_sample_is_refused() -> None:
    """Two channels take two bytes each tick."""
    hearer = Hearer("m=audio 0 RTP/AVP 99\r\na=rtpmap:99 PCMU/16000/2")
    hearer.push(b"xyz")
    hearer.push(b"xy", 1)
    assert ([unit.duration_ticks for unit in hearer.units], hearer.losses, len(hearer.errors)) == ([1], [1], 1)
