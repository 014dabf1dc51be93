"""What cameras make of a session from SETUP to its end, through the whole client. Named after quirk and camera.

Whom they let in, and where else they send us, is in test_quirks_of_logins.
"""

from __future__ import annotations

import pytest

from tests.builders_recorded import FRAME_TICKS, FRAME_US, Footage, numbers
from tests.builders_scripted_camera import (
    SDP,
    SESSION,
    Film,
    Turn,
    UdpFilm,
    conversation,
    described,
    filmed,
    message,
    ok,
    refusal,
)
from tests.waiting import eventually

TCP = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
UDP = "Transport: RTP/AVP;unicast;client_port=5000-5001"
BOTH = SDP + "m=audio 0 RTP/AVP 0\na=control:track2\n"


async def _live(film: Film, seconds: int) -> None:
    """A frame every two seconds is enough not to count as silent."""
    for _ in range(seconds // 2):
        await film.pass_time(2_000_000 - FRAME_US)
        film.ticks += 2 * 90_000 - FRAME_TICKS
        await film.play(1)


def _methods(film: Film) -> list[str]:
    return [request.split(" ")[0] for request in film.camera.requests]


def _public(*methods: str) -> Turn:
    return Turn("^OPTIONS ", ok(f"Public: {', '.join(methods)}"), again=True)


# --- what keeps a session alive


async def test_s19_gw_security_gets_set_parameter() -> None:
    """It ignores GET_PARAMETER and drops the session each minute, though it advertises both."""
    turns = conversation(
        options=_public("OPTIONS", "GET_PARAMETER", "SET_PARAMETER"),
        keepalive=Turn("^SET_PARAMETER ", ok(SESSION), again=True),
    )
    async with filmed(turns) as film:
        await _live(film, 130)
    assert _methods(film)[3:-1] == ["OPTIONS", "SET_PARAMETER", "SET_PARAMETER", "SET_PARAMETER"]
    assert len(film.camera.lines) == 1


async def test_s19_a_server_that_advertises_neither_is_asked_for_its_options() -> None:
    """rtsp-simple-server 0.19.3 ends the session for a method that it does not know."""
    async with filmed(conversation(options=_public("OPTIONS", "DESCRIBE"))) as film:
        await _live(film, 100)
    assert set(_methods(film)[3:-1]) == {"OPTIONS"}
    assert len(film.camera.lines) == 1


async def test_s20_tapo_refuses_set_parameter_with_the_number_of_the_request_before() -> None:
    """It advertises it, gives a session 15 s, and answers 400: the next keepalive is another one, and all is well."""
    turns = conversation(
        setup=ok(TCP, "Session: 4711;timeout=15"),
        options=_public("OPTIONS", "SET_PARAMETER", "GET_PARAMETER"),
        keepalive=[
            Turn("^SET_PARAMETER ", refusal(400, cseq="CSeq: 4"), again=True),
            Turn("^GET_PARAMETER ", ok(), again=True),
        ],
    )
    async with filmed(turns) as film:
        await _live(film, 40)
    assert _methods(film)[3:-1] == ["OPTIONS", "SET_PARAMETER", *3 * ["GET_PARAMETER"]]
    assert numbers(film.record()) == list(range(20))
    assert film.damage() == 0


async def test_s20_what_is_never_answered_gives_way_to_what_is() -> None:
    """The camera hears SET_PARAMETER and says nothing."""
    turns = conversation(
        options=_public("OPTIONS", "SET_PARAMETER"), keepalive=Turn("^SET_PARAMETER ", b"", again=True)
    )
    async with filmed(turns) as film:
        await _live(film, 170)
    assert _methods(film)[3:-1] == ["OPTIONS", "SET_PARAMETER", "OPTIONS", "SET_PARAMETER", "OPTIONS"]


async def test_s25_a_camera_that_asks_is_answered() -> None:
    """With its own number; what it asks for in vain is refused by name."""
    asks = b"".join(
        message(f"{method} rtsp://x RTSP/1.0", cseq=f"CSeq: {n}") for n, method in ((7, "OPTIONS"), (8, "RECORD"))
    )
    async with filmed() as film:
        await film.play(5)
        await film.send(asks)
        await film.play(5)
        await eventually("both answers", lambda: len(film.camera.answers) == 2)
    assert [answer.split("\r\n")[:2] for answer in film.camera.answers] == [
        ["RTSP/1.0 200 OK", "CSeq: 7"],
        ["RTSP/1.0 501 Not Implemented", "CSeq: 8"],
    ]
    assert numbers(film.record()) == list(range(10))


# --- sessions and their tracks


async def test_s21_s22_h264dvr_gets_its_sound_set_up_and_keeps_its_first_session() -> None:
    """Over UDP it sends nothing otherwise; the second SETUP answers another session id, of which PLAY must not know."""
    turns = conversation(
        describe=described(BOTH, "Server: H264DVR 1.0"),
        setup=[
            Turn("^SETUP .*track1", ok(UDP, "Session: 231970")),
            Turn("^SETUP .*track2", ok(UDP, "Session: 231980")),
        ],
    )
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.play(30)
    (play,) = [request for request in film.camera.requests if request.startswith("PLAY ")]
    assert "Session: 231970\r\n" in play
    assert [url.rpartition("/")[2] for url in film.camera.asked("SETUP")] == ["track1", "track2"]
    assert numbers(film.record()) == list(range(30))


async def test_s22_a_camera_that_sends_nothing_over_udp_gets_all_its_tracks_set_up_the_next_time() -> None:
    """Whatever it calls itself."""
    turns = conversation(describe=described(BOTH), setup=ok(UDP, SESSION))
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.pass_time(9_000_000)
        await film.reopened()
        await film.play(10)
    assert [url.rpartition("/")[2] for url in film.camera.asked("SETUP")] == ["track1", "track1", "track2"]
    assert numbers(film.record()) == list(range(10))
    assert film.told[0].startswith("no_media: no packet within 8 s of PLAY")


async def test_over_tcp_only_what_is_recorded_is_set_up() -> None:
    """Sound that nobody may record is not asked for, not even from H264DVR."""
    async with filmed(conversation(describe=described(BOTH, "Server: H264DVR 1.0"))) as film:
        await film.play(10)
    assert len(film.camera.asked("SETUP")) == 1


@pytest.mark.parametrize(("transport", "other"), [("tcp", "udp"), ("udp", "tcp")])
async def test_461_says_which_key_to_set(transport: str, other: str) -> None:
    """VLC sends over UDP only; others over TCP only. Nothing is changed behind the operator's back."""
    async with filmed(conversation(setup=refusal(461)), transport=transport) as film:
        state = film.rig.recorder.state()
    assert (state["state"], state["reason"]) == ("failed", "unsupported")
    assert f"does not send over {transport.upper()}; set `transport: {other}`" in state["detail"]


async def test_i3_what_an_earlier_session_still_sends_is_kept_out() -> None:
    """live555 before 2017 sends into the descriptor of a connection that is gone, so into the next one.

    Even before anything was asked for; then between our own packets, from its own source.
    """
    stale = Footage()
    stale.ssrc, stale.number, stale.sequence = 99, 1000, 30_000
    async with filmed(greeting=b"".join(stale.packets())) as film:
        for _ in range(50):
            await film.send(b"".join(stale.packets()))
            await film.play(1)
    assert numbers(film.record()) == list(range(50))
    assert film.damage() == 0


async def test_i3_a_source_that_is_promised_is_never_kept_out() -> None:
    """A camera that begins to send before it has answered."""
    early = Footage()
    turns = conversation(setup=ok(f"{TCP};ssrc={early.ssrc:08x}", SESSION))
    async with filmed(turns, greeting=b"".join(early.packets())) as film:
        film.sequence, film.ticks, film.number = early.sequence, early.ticks, early.number
        film.number = 25
        await film.play(25)
    assert numbers(film.record()) == list(range(25, 50))


# --- the end of a session


async def _silent(film: Film) -> None:
    """Until the session has failed for it."""
    await film.pass_time(9_000_000)
    await eventually("the session is gone", lambda: film.session is None)


@pytest.mark.parametrize("status", [200, 454, 500])
async def test_i7_a_session_over_udp_is_ended_once_the_camera_has_answered(status: int) -> None:
    """On the connection that is there. 454: it was gone. 500 is how Hikvision DS-2CD2032 says that it is gone."""
    answer = ok() if status == 200 else refusal(status)
    turns = conversation(setup=ok(UDP, SESSION), teardown=Turn("^TEARDOWN ", answer, again=True))
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.play(5)
        await _silent(film)
        await film.until(lambda: not film.rig.recorder._herd.farewells._tasks)
        assert len(film.camera.asked("TEARDOWN")) == 1
        assert "Session: 4711" in next(each for each in film.camera.requests if each.startswith("TEARDOWN"))


async def test_i7_a_session_over_udp_whose_connection_is_gone_is_ended_on_another() -> None:
    """Again and again, until there is an answer: else the camera sends to ports that may be somebody else's by then."""
    turns = conversation(
        setup=ok(UDP, SESSION),
        teardown=[
            Turn("^TEARDOWN ", b""),
            Turn("^TEARDOWN ", b"", hangs_up=True),
            Turn("^TEARDOWN ", ok(), again=True),
        ],
    )
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.play(5)
        await _silent(film)
        await film.until(lambda: len(film.camera.asked("TEARDOWN")) == 3)
        await film.until(lambda: not film.rig.recorder._herd.farewells._tasks)


async def test_i7_a_session_over_tcp_ends_with_its_connection() -> None:
    """TEARDOWN is tried once; nobody repeats it, and nobody waits for it."""
    turns = conversation(teardown=Turn("^TEARDOWN ", b"", again=True))
    async with filmed(turns) as film:
        await film.play(5)
        film.camera.line.writer.transport.abort()
        await film.reopened()
        await film.play(5)
        await film.pass_time(30_000_000)
        assert film.camera.asked("TEARDOWN") == []


async def test_a_camera_that_hangs_up_behind_play_is_recorded_over_udp() -> None:
    """RFC 2326 1.6. Once its packets end, its session does, after a second and not after eight."""
    turns = conversation(setup=ok(UDP, SESSION), play=Turn("^PLAY ", ok(SESSION), again=True))
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.play(2)
        film.camera.line.writer.close()
        await film.camera.line.ended.wait()
        await film.play(48)
        assert film.failed is None
        await film.pass_time(1_500_000)
        await eventually("the session is gone", lambda: film.session is None)
    assert numbers(film.record()) == list(range(50))
    assert film.told[-2].startswith(
        "unreachable: the connection was lost (closed by the camera), and the packets ended"
    )


@pytest.mark.parametrize(
    ("rtp_info", "lost"),
    [
        ("url=rtsp://127.0.0.1/cam/track1;seq=65000;rtptime=1", 0),
        ("url=trackID=9;seq=5,url=track1;seq=65000", 0),
        ("url=track1;seq=64997", 3),
        ("url=track1;seq=7", 1),
        ("url=track1;seq=0", 1),
        ("url=trackID=9;seq=5,url=trackID=8;seq=65000", 1),
    ],
)
async def test_what_was_lost_before_the_first_packet_over_udp_is_declared(rtp_info: str, lost: int) -> None:
    """As far as the camera said where it begins (S13, S14, S17); else one packet, since nobody can know."""
    turns = conversation(setup=ok(UDP, SESSION), play=ok(SESSION, f"RTP-Info: {rtp_info}"))
    async with filmed(turns, kind=UdpFilm, transport="udp") as film:
        await film.play(30)
    assert numbers(film.record()) == list(range(30))
    assert film.damage() == lost
