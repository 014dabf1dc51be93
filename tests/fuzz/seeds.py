"""What fuzzing starts from: exchanges with real servers, and a specimen of every kind of packet, set and box.

    python -m tests.fuzz.seeds [URL ...]

writes them into build/fuzz/TARGET. A URL is asked for its stream as a client would (RTSP over TCP, no login), and what
the server says is taken apart into the inputs of each target it concerns; docs/fuzzing.md says which servers the
corpus was recorded from. `tests.fuzz.keep` then takes over what reaches code that nothing else does.
"""

from __future__ import annotations

import hashlib
import itertools
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

from ingest import libav_wire as wire
from ingest.libav_wire import Opened
from media import sdp
from media.aac import packetize_aac
from media.av1_obu import join_obus
from media.errors import GapReason
from media.interleaved import InterleavedReader
from media.jpeg import JpegParameters
from media.rtcp import SenderReport, build_receiver_report, build_sender_report
from media.rtsp import Headers, Request, Response, content_base, parse_session
from tests import builders_audio, builders_av1, builders_h264, builders_h265, builders_segment, mjpeg_server
from tests.fuzz.inputs import Payload
from tests.fuzz.run import WORK
from tests.unit.ingest import test_quirks_of_descriptions, test_quirks_of_messages

Seeds = Iterator[tuple[str, bytes]]

STREAM_BYTES = 48 << 10
"""Enough for parameter sets, a sync sample and reports."""

SHORTENED_BYTES = 90
"""Payloads are cut to this: their headers are what matters, and an input must stay short."""

PAYLOADS = 24
"""In one input."""

TARGET_OF = {"MPEG4-GENERIC": "aac", "PCMU": "g711", "PCMA": "g711"} | {
    name: name.lower() for name in ("H264", "H265", "AV1", "OPUS")
}


def recorded(url: str) -> Seeds:
    """What a server says: messages, description, and the beginning of its stream."""
    yield from _track(url, 0)


def _track(url: str, place: int) -> Seeds:
    stream, messages = _ask(url, place)
    for message in messages:
        yield "rtsp-message", message.to_bytes()
        for name, value in message.headers.fields():
            if name.lower() in {"session", "transport", "rtp-info", "public"}:
                yield "rtsp-fields", value.encode()
    description = next(message.body for message in messages if message.body)
    yield "sdp", description
    yield "interleaved", b"\x40" + _shortened(stream)
    channels = _channels(stream)
    yield "rtp", b"".join(len(packet).to_bytes(2, "big") + packet[:300] for packet in channels.get(0, [])[:PAYLOADS])
    for report in channels.get(1, [])[:2]:
        yield "rtcp", report
    media = sdp.parse(description).media
    target = TARGET_OF.get(media[place].encoding)
    if target is not None:
        yield target, _payload_records(channels.get(0, []))
    if place + 1 < len(media):
        yield from _track(url, place + 1)


def _ask(url: str, place: int) -> tuple[bytes, list[Response]]:
    """The bytes of one track after PLAY, and the answers before."""
    parts = urlsplit(url)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=20)) as line:
        asked = itertools.count(1)
        messages = [_request(line, "OPTIONS", url, next(asked)), _request(line, "DESCRIBE", url, next(asked))]
        base = content_base(messages[-1], url)
        description = sdp.parse(messages[-1].body)
        control = sdp.join_control(base, description.media[place].control)
        ports = [_port(), _port()]
        numbers = "{}-{}".format(*(port.getsockname()[1] for port in ports))
        for transport in ("RTP/AVP/TCP;unicast;interleaved=0-1", f"RTP/AVP;unicast;client_port={numbers}"):
            messages.append(_request(line, "SETUP", control, next(asked), {"Transport": transport}))
            if messages[-1].ok:
                break
        session = {"Session": parse_session(messages[-1].headers["Session"])[0]}
        aggregate = sdp.join_control(base, description.control)
        request = Request(method="PLAY", url=aggregate, headers=Headers({"CSeq": str(next(asked)), **session}))
        line.sendall(request.to_bytes())
        stream = line.recv(STREAM_BYTES)
        while len(stream) < STREAM_BYTES:
            stream += line.recv(STREAM_BYTES) if "TCP" in transport else _datagrams(ports)
    return stream, messages


def _port() -> socket.socket:
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 0))
    return port


def _datagrams(ports: list[socket.socket]) -> bytes:
    """What came over UDP meanwhile, as it would have come over TCP."""
    ready, _, _ = select.select(ports, [], [], 20)
    assert ready, "the server sends nothing"
    packets = [(ports.index(port), port.recv(65536)) for port in ready]
    return b"".join(b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet for channel, packet in packets)


def _request(line: socket.socket, method: str, url: str, cseq: int, more: dict[str, str] | None = None) -> Response:
    line.sendall(Request(method=method, url=url, headers=Headers({"CSeq": str(cseq), **(more or {})})).to_bytes())
    answers: list[object] = []
    reader = InterleavedReader(lambda *_packet: None, answers.append)
    while not answers:
        read = line.recv(65536)
        reader.get_buffer()[: len(read)] = read
        reader.received(len(read))
    (answer,) = answers
    assert isinstance(answer, Response), answer
    return answer


def _channels(stream: bytes) -> dict[int, list[bytes]]:
    channels: dict[int, list[bytes]] = {}
    reader = InterleavedReader(
        lambda channel, buffer, start, end: channels.setdefault(channel, []).append(bytes(buffer[start:end])),
        lambda _message: None,
    )
    for start in range(0, len(stream), 65536):
        read = stream[start : start + 65536]
        reader.get_buffer()[: len(read)] = read
        reader.received(len(read))
    return channels


def _shortened(stream: bytes) -> bytes:
    """The answer to PLAY and the first packets, these cut short."""
    head = stream[: stream.find(b"$")] if not stream.startswith(b"$") else b""
    packets = [(channel, packet[:60]) for channel, sent in _channels(stream).items() for packet in sent[:8]]
    return head + b"".join(
        b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet for channel, packet in packets
    )


def _payload_records(packets: list[bytes]) -> bytes:
    records, before = b"", 0
    for packet in packets[:PAYLOADS]:
        timestamp = int.from_bytes(packet[4:8], "big")
        payload = Payload(packet[12:][:SHORTENED_BYTES], timestamp, marker=packet[1] >= 0x80, lost=0)
        records += payload.to_record(timestamp - before)
        before = timestamp
    return records


def made() -> Seeds:
    """Specimens."""
    yield from _texts()
    yield from _pictures()
    yield from _sounds()
    yield from _odd()
    yield from _files()
    packets = [builders_h264.packet(b"x" * 30, number, number * 90, marker=True) for number in (1, 2, 4, 4, 3, 90, 91)]
    packets += [builders_h264.packet(b"y" * 30, number, number * 9000, ssrc=8) for number in (1, 2, 3, 4, 5, 6)]
    packets += [
        b"\x90" + packets[0][1:12] + b"\xbe\xde\x00\x01abcd\xee",
        b"\xa2" + packets[0][1:12] + bytes(9) + b"\x02",
    ]
    yield "rtp", b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)
    arrivals = [packets[place] for place in (0, 2, 1, 4, 3, 3, 6, 5, 12, 8)]
    yield "reorder", b"".join((len(sent) + 1).to_bytes(2, "big") + b"\x1e" + sent for sent in arrivals)
    yield "rtcp", build_sender_report(SenderReport(ssrc=1, ntp=2, rtp_timestamp=3, packets=4, octets=5))
    yield "rtcp", build_receiver_report(1, 2, 3, 4)


def _texts() -> Seeds:
    for description in test_quirks_of_descriptions.DESCRIPTIONS.values():
        yield "sdp", description.encode()
    for case in test_quirks_of_messages.CASES:
        for turn in case.turns:
            head, _, _body = turn.answer.partition(b"\r\n\r\n")
            yield "rtsp-message", head.replace(b"{cseq}", b"1").replace(b"{length}", b"9")
            for line in head.decode().split("\r\n")[1:]:
                yield "rtsp-fields", line.partition(":")[2].strip().encode()
    for challenge in (
        'Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=true, opaque="o"',
        'Basic realm="a \\"b\\"", Digest realm=r,nonce=n',
        'Digest username="op", realm="realm", nonce="nonce", uri="u", response="0", qop=auth, nc=1, cnonce="c"',
    ):
        yield "rtsp-auth", challenge.encode()
    for url in ("u:p@10.0.0.1:554/a?b=c", "[fe80::1]:8554/", "cam.example/user=admin_password=x_channel=1"):
        yield "camera-url", url.encode()
    yield "sprop", b"Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==;sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwA/lZgJ"
    answer, question = b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"OPTIONS * RTSP/1.0\r\n\r\n"
    yield "interleaved", b"\x03\r\n" + answer + b"$\x00\x00\x02hi\r\n$\x01\x00\x00" + question


def _stream(payloads: list[bytes], units: int = 2) -> bytes:
    records = b""
    for unit in range(units):
        for number, payload in enumerate(payloads):
            last = number == len(payloads) - 1
            records += Payload(payload, 0, marker=last, lost=0).to_record(3600 if unit and not number else 0)
    return records


def _pictures() -> Seeds:
    h264, h265, av1 = builders_h264, builders_h265, builders_av1
    sets = [h264.SPS, h264.PPS]
    yield "h264", _stream([h264.stap(*sets, h264.SEI), *h264.fragments(h264.IDR, 4), h264.SLICE])
    yield "h264", _stream([h264.with_start_codes([*sets, h264.IDR])[4:]])
    yield "h264", _stream([h264.with_start_codes([h264.AUD, *sets, h264.IDR]), h264.SLICE_REST])
    yield "h264", _stream([b"\x79\x00\x07" + h264.stap(*sets)[1:], b"\x7d\x85\x00\x01" + h264.IDR[1:9], b"\x7c\x45ab"])
    large = bytes(range(1, 250)) * 14
    yield "h264", _stream([*h264.fragments(h264.IDR[:2] + large, 3), h264.SLICE])
    yield "h264", _stream([h264.IDR[:2] + large, h264.SLICE])
    yield "h264-sets", h264.with_start_codes(sets)[4:]
    yield "h264-sets", h264.SPS
    sets = [h265.VPS, h265.SPS, h265.PPS]
    picture = h265.slice_nal(19)
    yield "h265", _stream([h265.aggregate(*sets, h265.SEI), *h265.fragments(picture, 3), h265.slice_nal(1)])
    yield "h265", _stream([*sets, picture, h265.SUFFIX_SEI])
    yield "h265", _stream([*h265.fragments(picture + large, 3), picture])
    yield "h265-sets", h264.with_start_codes(sets)[4:]
    for sps in (h265.make_sps(), h265.SPS):
        yield "h265-sets", sps
    key = [av1.payload(av1.SEQUENCE, av1.METADATA, first=False), *av1.fragments(av1.KEY, 3), av1.payload(av1.INTER)]
    yield "av1", _stream(key)
    yield (
        "av1",
        _stream([av1.payload(av1.DELIMITER, av1.SEQUENCE, av1.KEY_HEADER, counted=False), av1.payload(av1.TILES)]),
    )
    yield "av1", _stream([*av1.fragments(av1.KEY + large, 3), av1.payload(av1.INTER)])
    yield "av1-units", join_obus([av1.SEQUENCE, av1.METADATA, av1.layered(av1.KEY)])
    yield "av1-sequence", av1.SEQUENCE[1:]
    yield "av1-sequence", av1.OTHER_SEQUENCE[1:]


def _sounds() -> Seeds:
    frames = [bytes(range(size)) for size in (5, 9, 80)]
    yield "aac", _stream([builders_audio.au(*frames)], 3)
    yield "aac", _stream(packetize_aac([frames[2]], 30), 3)
    yield "opus", _stream([b"\xfcabc", b"\x78abcd", b"\xfb\x83\x01\x01abcdef"])
    yield "g711", _stream([bytes(160)], 3)
    for config in ("1408", "1210", "2b8a0800", "139056e5a0"):
        yield "aac-config", bytes.fromhex(config)


def _odd() -> Seeds:
    picture = mjpeg_server.jpeg(5, 32, 16)
    yield "jpeg", picture
    yield "jpeg", picture[:2] + b"\xff\xff\xfe\x00\x04ab" + picture[2:-2]
    yield "jpeg", JpegParameters(width=8, height=8).track().sample_entry[86:]
    opened = Opened(codec="mjpeg", configuration=b"\x01", format="mpjpeg", timed=False, landlock=7)
    said = [
        wire.opened(opened),
        wire.packet(None, False, b"ab"),
        wire.packet(7, True, b""),
        wire.ended(GapReason.AUTH, "no"),
    ]
    yield "libav-messages", b"\x05" + b"".join(said)
    h264, h265 = builders_h264, builders_h265
    sets = [h264.SPS, h264.PPS]
    avcc = b"\x01" + h264.SPS[1:4] + b"\xff\xe1\x00" + bytes((len(h264.SPS),)) + h264.SPS
    avcc += b"\x01\x00" + bytes((len(h264.PPS),)) + h264.PPS
    packets = {
        b"\x00\x00": [h264.with_start_codes([*sets, h264.IDR]), h264.with_start_codes([h264.SLICE])],
        b"\x00" + bytes((len(avcc),)) + avcc: [len(h264.IDR).to_bytes(4, "big") + h264.IDR],
        b"\x01\x00": [h264.with_start_codes([h265.VPS, h265.SPS, h265.PPS, h265.slice_nal(19)])],
        b"\x02\x00": [picture, b"none", picture[:90]],
    }
    for head, found in packets.items():
        yield "libav-packets", head + b"".join(len(packet).to_bytes(2, "big") + packet for packet in found)


def _files() -> Seeds:
    track, units = builders_segment.plain_track(), builders_segment.plain_units()
    file = builders_segment.write(track, units)
    for content in (file.sealed, file.open, file.sealed[:-30], builders_audio.plain_sound().sealed):
        yield "segment", content
    parts = [
        file.init,
        file.init,
        file.init,
        file.commits[0].to_box(),
        file.closing[-170:],
        file.closing,
        file.fragments[0],
    ]
    for number, part in enumerate(parts):
        yield "boxes", bytes((number,)) + part


def main() -> None:
    """Write them all."""
    for target, content in itertools.chain(made(), *map(recorded, sys.argv[1:])):
        directory = WORK / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / hashlib.sha1(content, usedforsecurity=False).hexdigest()).write_bytes(content)


if __name__ == "__main__":
    main()
