"""What cameras write into their RTSP messages, through the whole client.

Each case is named after its quirk in docs/quirks.md and a camera it was seen on: a conversation over a socket, and
every frame must be in the spool.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from media.errors import GapReason
from media.interleaved import MAX_BODY_BYTES, MAX_HEAD_BYTES
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import (
    SDP,
    SESSION,
    Turn,
    conversation,
    described,
    filmed,
    message,
    ok,
    refusal,
)

DIGEST = 'WWW-Authenticate: Digest realm="r", nonce="n"'
TCP = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
QUERY = "/cam?channel=1&subtype=0&unicast=true&proto=Onvif"


@dataclass(frozen=True)
class Case:
    """A conversation, and what must have been asked for in it."""

    name: str
    turns: tuple[Turn, ...]
    path: str = "/cam"
    login: str = ""
    setup: str = "/cam/track1"
    """The path that SETUP must have named."""
    play: str = "/cam"
    """And that of PLAY."""


def _logged_in(refused: bytes) -> tuple[Turn, ...]:
    asks = [Turn(r"^DESCRIBE (?![\s\S]*\nAuthorization)", refused), Turn("^DESCRIBE ", described())]
    return conversation(describe=asks)


def _controlled(session: str, media: str) -> str:
    return SDP.replace("a=control:*", f"a=control:{session}").replace("a=control:track1", f"a=control:{media}")


def _session(field: str, transport: str = TCP) -> tuple[Turn, ...]:
    return conversation(setup=ok(transport, field))


def _transport(field: str) -> tuple[Turn, ...]:
    return conversation(setup=ok(field, SESSION))


def _rtp_info(value: str) -> tuple[Turn, ...]:
    return conversation(play=ok(SESSION, f"RTP-Info: {value}"))


CASES = [
    Case(
        "S1 Longse: blanks behind the CSeq of a 401",
        _logged_in(refusal(401, DIGEST, cseq="CSeq: {cseq} ")),
        login="u:p@",
    ),
    Case(
        "S2 H264DVR, VStarcam: Cseq",
        conversation(
            describe=ok("content-type: application/sdp", body=SDP, cseq="Cseq: {cseq}"), play=ok(cseq="cseq:{cseq}")
        ),
    ),
    Case(
        "S3 Hikvision: blanks before the session's id, quotes around a mode",
        _session("Session:        708345999;timeout=60", f'{TCP};ssrc=145cd16c;mode="play"'),
    ),
    Case("S4 GW Security: a blank before the timeout", _session("Session: 9a90de54; timeout=120")),
    Case("S4 no timeout", _session("Session: 9a90de54")),
    Case("S5 FFmpeg: no Content-Type", conversation(describe=ok(body=SDP))),
    Case(
        "S5 a Content-Type with a character set",
        conversation(describe=ok("Content-Type: application/sdp; charset=utf-8", body=SDP)),
    ),
    Case(
        "S6 Anjvision: a Content-Base without scheme",
        conversation(describe=described(SDP, "Content-Base: 127.0.0.1:{port}/stream0/")),
        setup="/stream0/track1",
        play="/stream0/",
    ),
    Case(
        "S7 Dahua: the query stays in the middle",
        conversation(
            describe=described(_controlled("*", "trackID=0"), f"Content-Base: rtsp://127.0.0.1:{{port}}{QUERY}/")
        ),
        path=QUERY,
        setup=f"{QUERY}/trackID=0",
        play=f"{QUERY}/",
    ),
    Case(
        "S7 GW, VStarcam: no Content-Base, a query",
        conversation(describe=described(_controlled("*", "trackID=0"))),
        path=QUERY,
        setup=f"{QUERY}/trackID=0",
        play=QUERY,
    ),
    Case(
        "S7 an absolute control URL wins",
        conversation(
            describe=described(
                _controlled("rtsp://127.0.0.1:{port}/all", "rtsp://127.0.0.1:{port}/all/video").replace(
                    "{port}", "{port}"
                )
            )
        ),
        setup="/all/video",
        play="/all",
    ),
    Case(
        "S8 Reolink: the session's control comes first",
        conversation(
            describe=described(SDP.replace("a=control:*\n", "").replace("s=camera\n", "a=control:*\na=x:1\ns=camera\n"))
        ),
    ),
    Case(
        "S9 Luckfox: the SSRC before the channels", _transport("Transport: RTP/AVP/TCP;ssrc=22345684;interleaved=0-1")
    ),
    Case("S10 Hikvision iDS-2CD9396: 7 digits behind a blank", _transport(f"{TCP};ssrc= d6d6627;mode=play")),
    Case("S11 Reolink: the SSRC in RTP-Info only", _rtp_info("url=track1;seq=7;rtptime=9;ssrc=00000007")),
    Case("S12 VStarcam, H264DVR: no RTP-Info", conversation(play=ok(SESSION))),
    Case(
        "S13 Dahua, Reolink: a relative URL",
        _rtp_info("url=trackID=1;seq=64998;rtptime=4294901760,url=trackID=2;seq=9"),
    ),
    Case("S14 GW: a URL without the query", _rtp_info("url=rtsp://127.0.0.1/cam;seq=64999;rtptime=4294901760")),
    Case("S15 Laureii: a semicolon at the end", _rtp_info("url=rtsp://127.0.0.1/cam/track1;seq=64999;rtptime=1;")),
    Case("S16 OMNY M5S2A: rtptime=-1", _rtp_info("url=track1;seq=64999;rtptime=-1")),
    Case("S17 Hikvision DS-2CD2032: seq=0", _rtp_info("url=track1;seq=0;rtptime=0")),
    Case("S17 Tapo C320WS: seq=1", _rtp_info("url=track1;seq=1;rtptime=0")),
    Case(
        "S18 Reolink: tracks that nobody set up",
        _rtp_info("url=trackID=7;seq=5;rtptime=5,url=trackID=8;seq=6;rtptime=6"),
    ),
    Case(
        "S24 empty lines before a response",
        conversation(
            setup=Turn("^SETUP ", ok(TCP, SESSION), before=b"\r\n"), play=Turn("^PLAY ", ok(), before=b"\r\n\r\n")
        ),
    ),
    Case(
        "S25 a request of the camera's",
        conversation(
            play=Turn("^PLAY ", ok(), before=message("OPTIONS rtsp://127.0.0.1/cam RTSP/1.0", cseq="CSeq: 99"))
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_conversation_ends_in_footage(case: Case) -> None:
    """Every frame is stored, undamaged, and the URLs asked for are those that the camera meant."""
    async with filmed(case.turns, url=f"rtsp://{case.login}127.0.0.1:{{port}}{case.path}") as film:
        await film.play(30)
    assert numbers(film.record()) == list(range(30))
    assert (film.damage(), film.gap_reasons()) == (0, [GapReason.SHUTDOWN])
    root = f"rtsp://127.0.0.1:{film.camera.port}"
    assert film.camera.asked("SETUP") == [root + case.setup]
    assert film.camera.asked("PLAY") == [root + case.play]


REFUSED = [
    ("S4 a timeout of 0", _session("Session: 1;timeout=0"), "timeout of 0"),
    ("I6 channels that are no pair", _transport("Transport: RTP/AVP/TCP;interleaved=2-5"), "interleaved channels"),
    ("I6 an odd channel", _transport("Transport: RTP/AVP/TCP;interleaved=1-2"), "interleaved channels"),
    (
        "S26 a head without end",
        conversation(describe=b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES),
        "longer than 16384",
    ),
    (
        "S26 a body that is too large",
        conversation(describe=ok(f"Content-Length: {MAX_BODY_BYTES + 1}")),
        "a body of 65537 bytes",
    ),
]


@pytest.mark.parametrize(("turns", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_what_makes_no_sense_is_refused_in_words(turns: tuple[Turn, ...], words: str) -> None:
    """The gap says what was wrong."""
    async with filmed(turns) as film:
        assert film.told[0].startswith("protocol: ")
        assert words in film.told[0]
