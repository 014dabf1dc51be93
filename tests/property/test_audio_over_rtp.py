"""Sound over a network that loses and repeats nothing of its own accord: every frame whole and in order, or counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.aac import packetize_aac
from media.errors import CodecError
from media.rtp import RtpReceiver, write_header
from tests.builders_audio import AAC, OPUS, PCMA, Hearer

SECTIONS = (AAC, OPUS, PCMA, "m=audio 0 RTP/AVP 99\r\na=rtpmap:99 PCMU/16000/2")

frames = st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=12)


@given(frames, st.integers(10, 700), st.integers(0, 0xFFFF_FFFF), st.sets(st.integers(0, 60)))
def test_aac_comes_out_whole_and_in_order_or_not_at_all(
    sent: list[bytes], room: int, origin: int, missing: set[int]
) -> None:
    """Whatever fragments are lost: no frame is bent, none comes twice, none at another time; every loss is counted."""
    packets = [
        (payload, origin + number * 1024, at == len(payloads) - 1)
        for number, frame in enumerate(sent)
        for payloads in [packetize_aac([frame], room)]
        for at, payload in enumerate(payloads)
    ]
    hearer = Hearer(AAC)
    receiver = RtpReceiver(97, hearer.taker)
    arrived = [number for number in range(len(packets)) if number not in missing]
    for number in arrived:
        payload, timestamp, marker = packets[number]
        packet = write_header(number, timestamp, 1, 97, marker=marker) + payload
        receiver.receive(packet, 0, len(packet))
    expected = {}
    number = 0
    for index, frame in enumerate(sent):
        count = len(packetize_aac([frame], room))
        if not missing & set(range(number, number + count)):
            expected[(origin + index * 1024) & 0xFFFF_FFFF] = frame
        number += count
    assert list(zip(hearer.times, hearer.frames, strict=True)) == list(expected.items())
    assert receiver.malformed_packets == 0
    if hearer.units and not missing & set(range(arrived[0])):
        last = max(number for number in arrived)
        inside = [number for number in missing if arrived[0] < number < last]
        assert sum(hearer.losses) <= len(inside)


@given(st.sampled_from(SECTIONS), st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3), st.booleans())))
def test_any_payload_gives_units_or_a_codec_error(section: str, payloads: list[tuple[bytes, int, bool]]) -> None:
    """Nothing but CodecError, and units that have bytes and a length; each error is counted or was."""
    hearer = Hearer(section)
    for payload, timestamp, marker in payloads:
        try:
            hearer.taker.push(payload, 0, len(payload), timestamp, marker, 0)
        except CodecError:
            hearer.errors.append("malformed")
    assert all(unit.nals and unit.duration_ticks > 0 for unit in hearer.units)
    before = len(hearer.units)
    hearer.push(b"", 9)
    hearer.push(b"\x00\x10\x00\x08x" if section == AAC else b"\xf8x", 10)
    assert len(hearer.units) == before + 1
    assert sum(hearer.losses) == len(hearer.errors)


@given(st.lists(st.integers(0, 255), max_size=40).map(bytes))
def test_any_configuration_is_read_or_refused(config: bytes) -> None:
    """An AudioSpecificConfig is bytes from a camera."""
    try:
        hearer = Hearer(AAC.replace("config=1408", f"config={config.hex()}"))
    except CodecError:
        return
    hearer.push(b"\x00\x10\x00\x08x")
    assert hearer.frames == [b"x"]
