"""AAC over RTP: what comes out is what an encoder made, and loss costs what was lost."""

from __future__ import annotations

import pytest

from media.aac import packetize_aac
from media.aac_config import AacConfig
from media.errors import CodecError
from tests.builders_audio import AAC, Hearer, au, encoded

FRAME, OTHER = bytes(range(200)), bytes(range(100, 250))
LARGE = bytes(index % 251 for index in range(3000))


def parts(frame: bytes, count: int) -> list[bytes]:
    """A frame in `count` fragments."""
    step = -(-len(frame) // count)
    return [au(frame[at : at + step], size=len(frame)) for at in range(0, len(frame), step)]


def test_an_encoders_frames_come_out_as_they_went_in() -> None:
    """Bit for bit, each with its length; the first says what they are."""
    frames, extradata = encoded("aac")
    hearer = Hearer(AAC.replace("config=1408", f"config={extradata.hex()}"))
    for number, frame in enumerate(frames):
        (payload,) = packetize_aac([frame])
        hearer.push(payload, number * 1024)
    assert hearer.frames == frames
    assert {unit.duration_ticks for unit in hearer.units} == {1024}
    assert all(unit.sync for unit in hearer.units)
    announced = [unit.parameters for unit in hearer.units]
    assert announced[0] is not None
    assert announced[1:] == [None] * (len(frames) - 1)
    track = announced[0].track(16_000)
    assert (track.kind, track.codec, track.timescale, track.width) == ("audio", "mp4a.40.2", 16_000, 0)
    assert extradata in track.sample_entry


def test_an_empty_payload_only_carries_its_loss() -> None:
    """RtpReceiver sends one for a packet whose header is broken."""
    hearer = Hearer(AAC)
    hearer.push(b"", 0, lost=2)
    hearer.push(au(FRAME), 1024)
    assert (hearer.frames, hearer.losses, hearer.errors) == ([FRAME], [2], [])


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"\x00", "AU headers"),
        (b"\x00\x00", "AU headers"),
        (b"\x00\x10", "AU headers"),
        (b"\x00\x0f\x00\x08x", "AU headers"),
        (b"\xff\xff" + bytes(50), "AU headers"),
        (au(FRAME, b""), "empty AU"),
        (au(FRAME) + b"more", "1 AUs of 200 bytes in 204"),
        (au(FRAME, OTHER)[:-1], "2 AUs of 350 bytes in 349"),
    ],
)
def test_a_malformed_packet_is_lost_and_nothing_else(payload: bytes, complaint: str) -> None:
    """It is named, counted in the next unit, and forgotten."""
    hearer = Hearer(AAC)
    hearer.push(au(FRAME), 0)
    hearer.push(payload, 1024)
    hearer.push(au(OTHER), 2048)
    assert (hearer.frames, hearer.losses) == ([FRAME, OTHER], [0, 1])
    assert len(hearer.errors) == 1
    assert complaint in hearer.errors[0]


def test_fragments_that_do_not_fit_together_are_one_lost_packet() -> None:
    """Other sizes, too many bytes, a marker too soon: the AU is dropped, its remains are passed over."""
    one, two, three = parts(LARGE, 3)
    for fragments in (
        [(one, False), (au(LARGE[:1000], size=2999), False), (three, True)],
        [(one, False), (au(LARGE[:2900], size=3000), False), (three, True)],
        [(one, False), (two, True)],
    ):
        hearer = Hearer(AAC)
        hearer.push(au(FRAME), 0)
        for payload, marker in fragments:
            hearer.push(payload, 1024, marker=marker)
        hearer.push(au(OTHER), 2048)
        assert (hearer.frames, hearer.losses, len(hearer.errors)) == ([FRAME, OTHER], [0, 1], 1)


def test_large_frames_go_through_the_packetizer_in_fragments() -> None:
    """And come out whole; small ones share a payload."""
    hearer = Hearer(AAC)
    payloads = packetize_aac([LARGE])
    assert len(payloads) == 3
    assert max(map(len, payloads)) <= 1400
    for number, payload in enumerate(payloads):
        hearer.push(payload, 0, marker=number == 2)
    (together,) = packetize_aac([FRAME, OTHER])
    hearer.push(together, 1024)
    assert hearer.frames == [LARGE, FRAME, OTHER]
    assert hearer.times == [0, 1024, 2048]


def test_what_the_packetizer_cannot_send_is_refused() -> None:
    """More than 13 bits of size, and several frames in fragments."""
    with pytest.raises(CodecError, match="8191"):
        packetize_aac([bytes(8192)])
    with pytest.raises(CodecError, match="do not fit"):
        packetize_aac([bytes(1000), bytes(1000)])


@pytest.mark.parametrize(
    ("config", "rate", "channels", "samples"),
    [
        ("1408", 16_000, 1, 1024),
        ("1210", 44_100, 2, 1024),
        ("1190", 48_000, 2, 1024),
        ("119056e500", 48_000, 2, 1024),  # with the sign that SBR is absent
        ("1194", 48_000, 2, 960),
        ("17801f4008", 16_000, 1, 1024),  # the rate written out
    ],
)
def test_configurations_are_read(config: str, rate: int, channels: int, samples: int) -> None:
    """ISO/IEC 14496-3 1.6.2.1."""
    read = AacConfig.parse(bytes.fromhex(config))
    assert (read.rate, read.channels, read.frame_samples) == (rate, channels, samples)


@pytest.mark.parametrize("config", ["", "14", "17", "178000", "1680", "17800000080000", "14" * 65, "1448"])
def test_configurations_that_are_none_are_refused(config: str) -> None:
    """Cut short, reserved, endless: a CodecError."""
    with pytest.raises(CodecError):
        AacConfig.parse(bytes.fromhex(config))
