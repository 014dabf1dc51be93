"""What goes into AV1's `packetize` comes out of the depacketizer, or is declared as lost."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.av1 import Av1Depacketizer, packetize, split_obus
from media.av1_obu import FRAME, FRAME_HEADER, METADATA, TILE_GROUP, TILE_LIST, join_obus, obu_content, obu_type
from media.av1_sequence import av1_codec, parse_sequence_header
from media.errors import CodecError
from media.interleaved import InterleavedReader
from media.rtp import RtpReceiver
from tests.builders_av1 import INTER, KEY, OTHER_SEQUENCE, SEQUENCE, Receiver
from tests.builders_h264 import frame, packet

Unit = list[bytes]
FRAME_TYPES = (FRAME, FRAME_HEADER, TILE_GROUP)
MOST_BYTES = 600


def obus_of(kinds: list[int]) -> st.SearchStrategy[bytes]:
    """OBUs of some types, with and without an extension."""
    headers = st.tuples(st.sampled_from(kinds), st.booleans(), st.integers(0, 255)).map(
        lambda each: bytes((each[0] << 3 | each[1] << 2, each[2])[: 1 + each[1]])
    )
    return st.builds(bytes.__add__, headers, st.binary(max_size=80))


sequences = st.sampled_from([SEQUENCE, OTHER_SEQUENCE])
# Every type but those that are left out (2, 8), and of those the ones that are no part of a frame.
others = st.one_of(obus_of([0, 1, 5, 7, 9, 14, 15]), sequences)
frames = st.one_of(
    obus_of([FRAME]).map(lambda obu: [obu]),
    st.sampled_from([[KEY], [INTER]]),
    st.builds(lambda header, tiles: [header, *tiles], obus_of([FRAME_HEADER]), st.lists(obus_of([TILE_GROUP]))),
)
units = st.builds(
    lambda before, pictures, after: [*before, *chain.from_iterable(pictures), *after],
    st.lists(others, max_size=3),
    st.lists(frames, min_size=1, max_size=3),
    st.lists(obus_of([5, 15]), max_size=2),
)
streams = st.lists(units, min_size=1, max_size=6)
payload_sizes = st.integers(3, 120)


def packets_of(stream: list[Unit], max_payload_bytes: int, first_sequence: int = 65530) -> list[bytes]:
    """The RTP packets of a stream: the unit's number is its timestamp, the last packet of each is marked."""
    packets: list[bytes] = []
    for timestamp, obus in enumerate(stream):
        payloads = packetize(obus, max_payload_bytes)
        for index, payload in enumerate(payloads):
            sequence = first_sequence + len(packets)
            packets.append(packet(payload, sequence, timestamp, marker=index == len(payloads) - 1))
    return packets


def is_sync(obus: Unit) -> bool:
    """Whether a readable sequence header stands before the first frame, and that is a key frame and shown."""
    first = next(index for index, obu in enumerate(obus) if obu_type(obu[0]) in FRAME_TYPES)
    readable = False
    for obu in obus[:first]:
        if obu_type(obu[0]) == 1:
            with suppress(CodecError):
                header = parse_sequence_header(obu_content(obu))
                readable, reduced = True, header.reduced
    return readable and (reduced or obu_content(obus[first])[:1].hex()[:1] == "1")


@given(streams, payload_sizes, st.lists(st.integers(0, 1 << 16), max_size=30))
def test_the_whole_receive_path_is_the_identity(stream: list[Unit], max_payload_bytes: int, cuts: list[int]) -> None:
    """Arbitrary OBUs, packets of any size, reads that cut them anywhere."""
    wire = b"".join(frame(0, content) for content in packets_of(stream, max_payload_bytes))
    end = Receiver()
    receiver = RtpReceiver(96, end.depacketizer)
    reader = InterleavedReader(lambda _channel, buffer, start, stop: receiver.receive(buffer, start, stop), print)
    bounds = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    for start, stop in pairwise(bounds):
        reader.get_buffer()[: stop - start] = wire[start:stop]
        reader.received(stop - start)
    assert [unit.nals for unit in end.units] == [join_obus(obus) for obus in stream]
    assert end.obus == stream
    assert [unit.rtp_timestamp for unit in end.units] == list(range(len(stream)))
    assert [unit.sync for unit in end.units] == [is_sync(obus) for obus in stream]
    assert (receiver.lost_packets, receiver.malformed_packets) == (0, 0)


@given(streams, payload_sizes, st.data())
def test_loss_is_always_declared(stream: list[Unit], max_payload_bytes: int, data: st.DataObject) -> None:
    """Any packets but the first are missing: what comes out was sent, in order, and a unit without damage is whole.

    The frames of a damaged one are all there from the first to the last, or up to where loss cut off the unit.
    """
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
        sent, received = stream[unit.rtp_timestamp], split_obus(unit.nals)
        remaining = iter(sent)
        assert all(obu in remaining for obu in received), "an OBU that was not sent so, or not in this order"
        assert unit.lost_packets or received == sent
        assert decodable(received, sent)
        assert not unit.sync or (is_sync(received) and received[-1] == sent[-1])
    # Joining in the middle of a unit is the one damage that is no packet's.
    assert sum(end.lost) + end.depacketizer._lost - receiver.lost_packets in (0, 1)


def decodable(received: Unit, sent: Unit) -> bool:
    """Whether from the first frame on nothing is missing but the end."""
    first = next(index for index, obu in enumerate(received) if obu_type(obu[0]) in FRAME_TYPES)
    rest = received[first:]
    return obu_type(rest[0][0]) in (FRAME, FRAME_HEADER) and any(
        sent[at : at + len(rest)] == rest for at in range(len(sent))
    )


@given(streams, payload_sizes)
def test_markers_are_not_needed(stream: list[Unit], max_payload_bytes: int) -> None:
    """Units end by their timestamps too; the last one waits for the next."""
    end = Receiver()
    for timestamp, obus in enumerate([*stream, [INTER]]):
        for payload in packetize(obus, max_payload_bytes):
            end.push(payload, timestamp)
    assert (end.obus, end.errors) == (stream, [])


sized = obus_of([FRAME, METADATA]).map(lambda obu: bytes(join_obus([obu])))
elements = st.one_of(st.binary(max_size=40), obus_of(list(range(16))), sized)
payloads = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda flags, content: bytes((flags,)) + content, st.integers(0, 255), elements),
    st.builds(
        lambda flags, each: bytes((flags & 0xC8,)) + b"".join(bytes((len(one),)) + one for one in each),
        st.integers(0, 255),
        st.lists(elements, max_size=5),
    ),
    st.builds(packetize, units, st.integers(3, 60)).map(lambda made: made[len(made) // 2]),
)


@given(st.lists(st.tuples(payloads, st.integers(0, 3), st.booleans(), st.sampled_from([0, 0, 0, 1, 7])), max_size=60))
def test_whatever_comes_units_are_well_formed_and_memory_is_bounded(
    pushed: list[tuple[bytes, int, bool, int]],
) -> None:
    """Only declared errors, each of them counted; and the next good unit comes out whole."""
    end = Receiver(max_unit_bytes=MOST_BYTES)
    for payload, timestamp, marker, lost in pushed:
        end.push(payload, timestamp, marker=marker, lost=lost)
        assert len(end.depacketizer._obus) <= MOST_BYTES + 64
    for unit in end.units:
        obus = split_obus(unit.nals)
        assert unit.nals == join_obus(obus)
        kinds = [obu_type(obu[0]) for obu in obus]
        assert not {2, TILE_LIST} & {*kinds}
        first = next(kind for kind in kinds if kind in FRAME_TYPES)
        assert first != TILE_GROUP
        assert not unit.sync or 1 in kinds
    declared = sum(end.lost) + end.depacketizer._lost
    assert declared >= len(end.errors) + sum(lost for *_, lost in pushed)
    before = len(end.units)
    end.push_unit([SEQUENCE, KEY], 8)
    end.push_unit([SEQUENCE, KEY], 9)
    assert end.obus[-1] == [SEQUENCE, KEY]
    assert (end.units[-1].sync, end.units[-1].rtp_timestamp, end.lost[-1]) == (True, 9, 0)
    assert len(end.units) > before


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """These bytes with one of them changed, or cut off."""
    at = st.integers(0, len(content) - 1)
    changed = st.builds(lambda i, value: content[:i] + bytes((value,)) + content[i + 1 :], at, st.integers(0, 255))
    return st.one_of(changed, at.map(lambda i: content[:i]))


@given(st.one_of(st.binary(max_size=60), sequences.map(obu_content).flatmap(mutated)))
def test_sequence_headers_of_any_bytes(content: bytes) -> None:
    """A description for a file, or a CodecError; the same with a decoder configuration."""
    with suppress(CodecError):
        header = parse_sequence_header(content)
        track = header.track()
        assert track.codec == header.codec
        assert av1_codec("av01", track.sample_entry[track.sample_entry.index(b"av1C") + 4 :]) == header.codec
    with suppress(CodecError):
        av1_codec("av01", content)


@given(units, payload_sizes)
def test_no_payload_is_larger_than_asked(obus: Unit, max_payload_bytes: int) -> None:
    """Nor empty."""
    assert all(1 < len(payload) <= max_payload_bytes for payload in packetize(obus, max_payload_bytes))


def test_the_depacketizer_keeps_no_reference_to_the_connections_buffer() -> None:
    """It is overwritten by the next read."""
    end: list[bytearray] = []
    depacketizer = Av1Depacketizer(lambda unit: end.append(unit.nals))
    buffer = bytearray(b"\x10" + KEY)
    depacketizer.push(memoryview(buffer), 0, len(buffer), 1, True, 0)
    buffer[:] = bytes(len(buffer))
    assert split_obus(end[0]) == [KEY]
