"""H.265: what goes into `packetize` comes out of the depacketizer, or is declared as lost; noise is refused."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.errors import CodecError
from media.h265_packetize import packetize
from media.h265_parameters import H265ParameterSets, hevc_codec
from media.h265_sps import parse_sps
from media.interleaved import InterleavedReader
from media.nal import START_CODE, split_length_prefixed
from media.rtp import RtpReceiver
from tests.builders_h264 import frame, packet
from tests.builders_h265 import PPS, SPS, VPS, Receiver, make_sps

Unit = list[bytes]


def nal_units(kinds: range) -> st.SearchStrategy[bytes]:
    """NAL units of some types, of any layer. None holds a start code (H.265 7.4.2): sets are split there (quirk H8)."""
    return st.builds(
        lambda kind, layer, temporal, content: (kind << 9 | layer << 3 | temporal).to_bytes(2, "big") + content,
        st.sampled_from(kinds),
        st.integers(0, 63),
        st.integers(1, 7),
        # What begins like the end of a start code would make one with a header that ends in zeros.
        st.binary(max_size=80).map(lambda content: b"\xff" + content.replace(START_CODE, b"\x00\x00\x03\x01")),
    )


any_nal, picture = nal_units(range(48)), nal_units(range(32))
units = st.builds(
    lambda before, slices, after: [*before, *slices, *after], *[st.lists(any_nal, max_size=4)] * 3
).flatmap(lambda nals: picture.map(lambda nal: [*nals, nal]))
streams = st.lists(units, min_size=1, max_size=6)
payload_sizes = st.integers(4, 120)


def packets_of(stream: list[Unit], max_payload_bytes: int, first_sequence: int = 65530) -> list[bytes]:
    """The RTP packets of a stream: the unit's number is its timestamp, the last packet of each is marked."""
    packets = []
    for timestamp, nals in enumerate(stream):
        payloads = packetize(nals, max_payload_bytes)
        assert all(0 < len(payload) <= max_payload_bytes for payload in payloads)
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
    assert [unit.sync for unit in end.units] == [any(16 <= nal[0] >> 1 <= 23 for nal in nals) for nals in stream]
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


@given(streams, payload_sizes)
def test_markers_are_not_needed(stream: list[Unit], max_payload_bytes: int) -> None:
    """Units end by their timestamps too; the last one waits for the next."""
    end = Receiver()
    for timestamp, nals in enumerate([*stream, [b"\x02\x01\xff"]]):
        for payload in packetize(nals, max_payload_bytes):
            end.push(payload, timestamp)
    assert (end.nals, end.errors) == (stream, [])


payload_noise = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda kind, rest: bytes((kind << 1, 1)) + rest, st.sampled_from((0, 32, 33, 48, 49)), st.binary(max_size=60)
    ),
)


@given(st.lists(st.tuples(payload_noise, st.integers(0, 3), st.booleans(), st.integers(0, 2)), max_size=40))
def test_noise_raises_nothing_else(packets: list[tuple[bytes, int, bool, int]]) -> None:
    """And memory stays bounded: what is kept of a unit is never more than was asked for, and a packet."""
    end = Receiver(max_unit_bytes=200)
    for payload, timestamp, marker, lost in packets:
        end.push(payload, timestamp, marker=marker, lost=lost)
        assert len(end.depacketizer._nals) <= 200 + 60 + 4
    for unit in end.units:
        assert split_length_prefixed(unit.nals)
        if unit.parameters is not None:
            assert hevc_codec("hvc1", unit.parameters.track().sample_entry[94:])


@given(st.binary(max_size=120), st.integers(0, 400), st.sampled_from((SPS, make_sps(sub_layers=7, hrd=True))))
def test_a_damaged_sps_is_refused_or_sane(noise: bytes, at: int, sps: bytes) -> None:
    """Whatever its bytes, a track has a size that a file can hold, or there is none."""
    nal = sps[: 2 + at] + noise + sps[2 + at + len(noise) :]
    try:
        parse_sps(nal)
    except CodecError:
        return
    track = H265ParameterSets(vps=(VPS,), sps=(nal,), pps=(PPS,)).track()
    assert 0 < track.width <= 16888
    assert 0 < track.height <= 16888
