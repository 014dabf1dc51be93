"""What goes into `packetize` comes out of the depacketizer, or is declared as lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.h264 import H264Depacketizer, packetize, split_annex_b, split_length_prefixed
from media.interleaved import InterleavedReader
from media.nal import START_CODE, join_length_prefixed
from media.rtp import RtpReceiver
from tests.builders_h264 import Receiver, frame, packet, with_start_codes

Unit = list[bytes]


def nal_units(kinds: list[int]) -> st.SearchStrategy[bytes]:
    """NAL units of some types. None holds a start code (H.264 7.4.1): parameter sets are split there, see quirk V4."""
    return st.builds(
        lambda kind, importance, content: bytes([importance << 5 | kind]) + content,
        st.sampled_from(kinds),
        st.integers(0, 3),
        st.binary(max_size=80).map(lambda content: content.replace(START_CODE, b"\x00\x00\x03\x01")),
    )


any_nal = nal_units(list(range(1, 24)))
picture = nal_units([1, 2, 3, 4, 5])
units = st.builds(
    lambda before, slices, after: [*before, *slices, *after], *[st.lists(any_nal, max_size=4)] * 3
).flatmap(lambda nals: picture.map(lambda nal: [*nals, nal]))
streams = st.lists(units, min_size=1, max_size=6)
payload_sizes = st.integers(3, 120)


def packets_of(stream: list[Unit], max_payload_bytes: int, first_sequence: int = 65530) -> list[bytes]:
    """The RTP packets of a stream: the unit's number is its timestamp, the last packet of each is marked."""
    packets = []
    for timestamp, nals in enumerate(stream):
        payloads = packetize(nals, max_payload_bytes)
        for index, payload in enumerate(payloads):
            sequence = first_sequence + len(packets)
            packets.append(packet(payload, sequence, timestamp, marker=index == len(payloads) - 1))
    return packets


@given(streams, payload_sizes, st.lists(st.integers(0, 1 << 16), max_size=30))
def test_the_whole_receive_path_is_the_identity(stream: list[Unit], max_payload_bytes: int, cuts: list[int]) -> None:
    """Arbitrary NAL units, packets of any size, reads that cut them anywhere."""
    wire = b"".join(frame(0, content) for content in packets_of(stream, max_payload_bytes))
    end = Receiver()
    receiver = RtpReceiver(96, end.depacketizer)
    reader = InterleavedReader(lambda _channel, buffer, start, stop: receiver.receive(buffer, start, stop), print)
    bounds = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in pairwise(bounds):
        reader.get_buffer()[: stop - start] = wire[start:stop]
        reader.received(stop - start)
    assert end.nals == stream
    assert [unit.rtp_timestamp for unit in end.units] == list(range(len(stream)))
    assert [unit.sync for unit in end.units] == [any(nal[0] & 31 == 5 for nal in nals) for nals in stream]
    assert (receiver.lost_packets, receiver.malformed_packets) == (0, 0)


@given(streams, payload_sizes, st.data())
def test_loss_is_always_declared(stream: list[Unit], max_payload_bytes: int, data: st.DataObject) -> None:
    """Any packets but the first are missing: what comes out was sent, in order, and a unit without damage is whole."""
    packets = packets_of(stream, max_payload_bytes)
    kept = data.draw(st.lists(st.booleans(), min_size=len(packets), max_size=len(packets)))
    end = Receiver()
    receiver = RtpReceiver(96, end.depacketizer)
    for index, content in enumerate(packets):
        if kept[index] or index == 0:
            receiver.receive(content, 0, len(content))
    assert receiver.malformed_packets == 0
    assert [unit.rtp_timestamp for unit in end.units] == sorted({unit.rtp_timestamp for unit in end.units})
    for unit in end.units:
        sent, received = stream[unit.rtp_timestamp], split_length_prefixed(unit.nals)
        remaining = iter(sent)
        assert all(nal in remaining for nal in received), "a NAL unit that was not sent so, or not in this order"
        assert unit.lost_packets or received == sent
    # Joining in the middle of a picture is the one damage that is no packet's.
    assert sum(end.lost) + end.depacketizer._lost - receiver.lost_packets in (0, 1)


@given(st.lists(any_nal.filter(lambda nal: nal[-1] != 0), max_size=10))
def test_both_ways_to_string_nal_units_together_read_back(nals: Unit) -> None:
    """Start codes and lengths. A NAL unit never ends with a zero byte (H.264 7.4.1)."""
    assert split_length_prefixed(join_length_prefixed(nals)) == nals
    clean = [nal.replace(b"\x00\x00", b"\x00\x01") for nal in nals]
    assert split_annex_b(with_start_codes(clean)) == clean


@given(units, payload_sizes)
def test_no_payload_is_larger_than_asked(nals: Unit, max_payload_bytes: int) -> None:
    """Nor empty."""
    assert all(0 < len(payload) <= max_payload_bytes for payload in packetize(nals, max_payload_bytes))


@given(streams, payload_sizes)
def test_markers_are_not_needed(stream: list[Unit], max_payload_bytes: int) -> None:
    """Units end by their timestamps too; the last one waits for the next."""
    collected: list[list[bytes]] = []
    depacketizer = H264Depacketizer(lambda unit: collected.append(split_length_prefixed(unit.nals)))
    for timestamp, nals in enumerate([*stream, [b"\x41"]]):
        for payload in packetize(nals, max_payload_bytes):
            depacketizer.push(payload, 0, len(payload), timestamp, False, 0)
    assert collected == stream
