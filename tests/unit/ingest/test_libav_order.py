"""What libav is told, and what it says: the one may lead nowhere else, the other is not believed."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import pytest

from ingest import libav_wire as wire
from ingest.libav_order import SCHEMES, libav_order
from ingest.libav_wire import Messages, Opened, Order, Packet
from media.errors import GapReason, MediaError, SourceError
from media.url import CameraUrl

OPENED = Opened(codec="mjpeg", configuration=b"\x01\x02", format="mpjpeg", timed=False, landlock=7)


def order(url: str) -> Order:
    """For a camera whose address was checked."""
    return libav_order(CameraUrl.parse(url), "10.9.8.7")


@pytest.mark.parametrize(
    ("url", "pinned"),
    [
        ("http://cam.example/v?a=1", "http://10.9.8.7:80/v?a=1"),
        ("http://cam.example:81", "http://10.9.8.7:81"),
        ("rtsp://u:p%2F@cam.example/x", "rtsp://u:p%2F@10.9.8.7:554/x"),
        ("rtmp://u@cam.example/live", "rtmp://u:@10.9.8.7:1935/live"),
        ("udp://cam.example:5000", "udp://10.9.8.7:5000"),
        ("https://cam.example/v", "http://10.9.8.7:443/v"),
        ("rtsps://u:p@cam.example/x", "rtsp://u:p@10.9.8.7:322/x"),
        ("rtmps://cam.example/live", "rtmp://10.9.8.7:443/live"),
    ],
)
def test_the_address_that_was_checked_stands_in_the_place_of_the_name(url: str, pinned: str) -> None:
    """A name could mean another address a moment later."""
    assert order(url).url == pinned


def test_an_ipv6_address_stands_in_brackets() -> None:
    """As URLs have it."""
    assert libav_order(CameraUrl.parse("http://[fd00::1]:81/x"), "fd00::1").url == "http://[fd00::1]:81/x"


def test_each_scheme_allows_what_it_is_made_of_and_nothing_else() -> None:
    """No protocol that reads files, joins streams or listens; no demuxer that opens other URLs."""
    never = {
        "file",
        "concat",
        "concatf",
        "subfile",
        "crypto",
        "data",
        "cache",
        "async",
        "tee",
        "pipe",
        "fd",
        "ftp",
        "gopher",
    }
    playlists = {"hls", "dash", "concat", "sdp", "webm_dash_manifest", "imf", "ffmetadata", "applehttp", "image2"}
    for scheme in SCHEMES:
        told = order(f"{scheme}://cam.example:5000/x")
        protocols = set(told.options["protocol_whitelist"].split(","))
        assert told.url.partition("://")[0] in protocols
        assert not protocols & {"tls", "dtls", "https", "rtmps", "rtsps"}
        assert not protocols & never
        assert not set(told.formats.split(",")) & playlists
    assert order("http://cam.example/x").options["max_redirects"] == "0"


def test_only_datagrams_are_waited_for() -> None:
    """Everybody else is called."""
    assert [scheme for scheme in sorted(SCHEMES) if order(f"{scheme}://cam.example:5000/x").datagrams] == ["udp"]


def test_a_server_of_several_names_learns_which_one_is_meant() -> None:
    """Also inside of TLS, which is spoken with that name."""
    assert order("https://cam.example:8443/x").options["headers"] == "Host: cam.example:8443\r\n"


def test_what_is_not_opened_is_named() -> None:
    """Here as well, whatever else asked about the URL before."""
    with pytest.raises(SourceError, match="file is not opened by libav here") as caught:
        libav_order(CameraUrl(scheme="file", host="x", port=1, request_url="file://x/etc/passwd"), "10.9.8.7")
    assert caught.value.reason is GapReason.UNSUPPORTED


def test_an_order_does_not_print_its_login() -> None:
    """It crosses a pipe, and no log."""
    told = order("http://u:canary@cam.example/x")
    assert "canary" not in repr(told)
    assert Order.from_bytes(told.to_bytes()) == told


class Heard:
    """What the messages of a child become."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self.messages = Messages(on_opened=self.all.append, on_packet=self.all.append, on_ended=self.all.append)


def test_messages_are_read_however_they_are_cut() -> None:
    """A pipe knows no borders."""
    text = (
        wire.opened(OPENED)
        + wire.packet(None, False, b"abc")
        + wire.packet(-5, True, b"")
        + wire.packet(1 << 40, False, b"x")
    )
    for size in (1, 2, 7, len(text)):
        heard = Heard()
        for at in range(0, len(text), size):
            heard.messages.received(text[at : at + size])
        assert heard.all == [OPENED, Packet(None, False, b"abc"), Packet(-5, True, b""), Packet(1 << 40, False, b"x")]


def test_an_end_is_a_sentence_with_a_reason() -> None:
    """And nothing that a terminal would obey."""
    heard = Heard()
    heard.messages.received(wire.ended(GapReason.AUTH, "libav: \x1b[2J" + "x" * 500))
    (why,) = heard.all
    assert isinstance(why, SourceError)
    assert (why.reason, str(why)[:14], len(str(why))) == (GapReason.AUTH, "libav: ?[2Jxxx", 300)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x00\x00\x00\x00",
        b"\x09\x00\x00\x00\x01x",
        struct.pack(">BI", 2, (8 << 20) + 10),
        struct.pack(">BI", 1, (1 << 16) + 1),
        struct.pack(">BI", 2, 3) + b"abc",
        struct.pack(">BI", 1, 2) + b"{}",
        struct.pack(">BI", 1, 4) + b"\xff\xfe[]",
        struct.pack(">BI", 3, 2) + b"[]",
        struct.pack(">BI", 3, 39) + b'{"reason": "because", "words": "words"} ',
        struct.pack(">BI", 1, 40_000) + b"[" * 40_000,
        wire.opened(replace(OPENED, landlock="x")),  # type: ignore[arg-type]
        wire.opened(OPENED).replace(b"0102", b"0x02"),
    ],
)
def test_what_is_no_message_is_refused(junk: bytes) -> None:
    """Before anything of its size is kept."""
    heard = Heard()
    with pytest.raises(MediaError):
        heard.messages.received(junk)
    assert heard.all == []


def test_words_for_programs_are_cut() -> None:
    """A codec's name goes into a log and a gap."""
    heard = Heard()
    heard.messages.received(wire.opened(replace(OPENED, codec="c" * 1000)))
    assert json.dumps(heard.all[0].codec) == json.dumps("c" * 40)  # type: ignore[attr-defined]
