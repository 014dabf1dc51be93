"""Whom cameras let in, and where else they send a client, through the whole of it. Named after quirk and camera."""

from __future__ import annotations

import re

import pytest

from media.errors import GapReason
from media.rtsp_auth import verify
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import (
    SDP,
    SESSION,
    Film,
    Turn,
    conversation,
    described,
    filmed,
    message,
    ok,
    refusal,
)

TCP = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
LOGIN = "rtsp://op:secret@127.0.0.1:{port}/cam"
ANOTHER_PLACE = "Location: rtsp://127.0.0.1:{port}/elsewhere"


# --- logging in


def _answers(film: Film, nonce: str) -> list[str]:
    """The methods of all requests that proved to know the password, with this nonce."""
    found = []
    for request in film.camera.requests:
        given = re.search(r"\r\nAuthorization: ([^\r]*)", request)
        if given and verify(given[1], request.split(" ")[0], "op", "secret", "r", nonce):
            found.append(request.split(" ")[0])
    return found


def _guarded(*fields: str) -> list[Turn]:
    return [
        Turn(r"^DESCRIBE (?![\s\S]*\nAuthorization)", refusal(401, *fields)),
        Turn("^DESCRIBE ", described(), again=True),
    ]


@pytest.mark.parametrize(
    "challenges",
    [
        ('WWW-Authenticate: Digest realm="r", nonce="n"', 'WWW-Authenticate: Basic realm="r"'),
        ('WWW-Authenticate: Basic realm="r"', 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'),
        ('WWW-Authenticate: Basic realm="r", Digest realm="r", nonce="n", algorithm=SHA-256',),
        ("WWW-Authenticate: Negotiate", 'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5'),
    ],
)
async def test_s23_of_several_challenges_the_best_is_answered(challenges: tuple[str, ...]) -> None:
    """In one field or in several, whatever the order."""
    async with filmed(conversation(describe=_guarded(*challenges)), url=LOGIN) as film:
        await film.play(5)
    assert _answers(film, "n") == ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert "Basic b3A6" not in "".join(film.camera.requests)


async def test_s23_a_nonce_that_became_stale_in_the_midst_of_it_is_no_refusal() -> None:
    """The second 401 names a new one."""
    stale = refusal(401, 'WWW-Authenticate: Digest realm="r", nonce="two", stale=true')
    turns = conversation(
        describe=_guarded('WWW-Authenticate: Digest realm="r", nonce="one"'),
        setup=[Turn('^SETUP [\\s\\S]*nonce="one"', stale), Turn('^SETUP [\\s\\S]*nonce="two"', ok(TCP, SESSION))],
    )
    async with filmed(turns, url=LOGIN) as film:
        await film.play(5)
    assert _answers(film, "two") == ["SETUP", "PLAY", "TEARDOWN"]
    assert numbers(film.record()) == list(range(5))


async def test_a_password_is_not_sent_as_it_is_once_digest_was_offered() -> None:
    """Somebody between takes Digest off the list when the session is opened anew; he does not get to read it."""
    basic = refusal(401, 'WWW-Authenticate: Basic realm="r"')
    turns = conversation(
        describe=[
            *_guarded('WWW-Authenticate: Digest realm="r", nonce="n"')[:1],
            Turn("^DESCRIBE ", described()),
            Turn("^DESCRIBE ", basic, again=True),
        ],
    )
    async with filmed(turns, url=LOGIN) as film:
        await film.play(5)
        film.camera.line.writer.transport.abort()
        await film.until(lambda: film.rig.recorder.state()["reason"] == "auth")
        state = film.rig.recorder.state()
    assert (state["reason"], "has offered Digest before" in state["detail"]) == ("auth", True)
    assert "Authorization: Basic" not in "".join(film.camera.requests)


async def test_a_camera_that_knows_only_basic_is_recorded() -> None:
    """Old ones do; whoever reads along on that network reads the password, which docs/cameras.md says."""
    async with filmed(conversation(describe=_guarded('WWW-Authenticate: Basic realm="r"')), url=LOGIN) as film:
        await film.play(5)
    assert "Authorization: Basic b3A6c2VjcmV0" in film.camera.requests[1]
    assert numbers(film.record()) == list(range(5))


# --- elsewhere


@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
async def test_a_camera_that_is_elsewhere_is_followed_with_its_login(status: int) -> None:
    """On the same host; the connection is a new one."""
    turns = conversation(
        describe=[
            Turn("^DESCRIBE .*/cam ", refusal(status, ANOTHER_PLACE)),
            *_guarded('WWW-Authenticate: Basic realm="r"'),
        ]
    )
    async with filmed(turns, url=LOGIN) as film:
        await film.play(5)
    assert film.camera.asked("PLAY")[0].endswith("/elsewhere")
    assert "Authorization: Basic b3A6c2VjcmV0" in "".join(film.camera.requests)
    assert numbers(film.record()) == list(range(5))


async def test_credentials_stay_with_the_host_they_were_given_for() -> None:
    """Another name is another host, though it leads to the same address; so is what the new URL itself brings along."""
    elsewhere = "Location: rtsp://eve:pass@localhost:{port}/elsewhere"
    turns = conversation(
        describe=[
            Turn("^DESCRIBE .*/cam ", refusal(302, elsewhere)),
            Turn("^DESCRIBE ", refusal(401, 'WWW-Authenticate: Basic realm="r"'), again=True),
        ]
    )
    async with filmed(turns, url=LOGIN) as film:
        state = film.rig.recorder.state()
    assert state["reason"] == "auth"
    assert "Authorization" not in "".join(film.camera.requests)
    assert len(film.camera.lines) == 2


async def test_a_circle_of_redirects_ends() -> None:
    """After three."""
    circle = Turn("^DESCRIBE ", refusal(302, ANOTHER_PLACE), again=True)
    async with filmed(conversation(describe=circle)) as film:
        state = film.rig.recorder.state()
    assert (state["reason"], len(film.camera.lines)) == ("protocol", 4)


@pytest.mark.parametrize(
    ("location", "reason", "words"),
    [
        ("rtsp://10.9.9.9/cam", "unsupported", "networks"),
        ("rtsp://169.254.169.254/latest", "unsupported", "networks"),
        ("rtsp://[::ffff:10.9.9.9]/cam", "unsupported", "networks"),
        ("rtsp://[::1]:{port}/cam", "unsupported", "networks"),
        ("http://127.0.0.1:{port}/cam", "unsupported", "only rtsp"),
        ("file:///etc/passwd", "unsupported", "only rtsp"),
        ("rtsp://", "unsupported", "no host"),
        ("rtsp://a b/", "unsupported", "blanks"),
    ],
)
async def test_nobody_is_sent_outside_of_the_networks(location: str, reason: str, words: str) -> None:
    """Nor to anything that is no camera: not a single connection is made."""
    turns = conversation(describe=refusal(302, f"Location: {location}"))
    async with filmed(turns) as film:
        state = film.rig.recorder.state()
    assert (state["reason"], words in state["detail"]) == (reason, True), state["detail"]
    assert len(film.camera.lines) == 1


async def test_a_camera_may_send_us_away_while_it_plays() -> None:
    """REDIRECT (RFC 2326 10.10): answered, and the next session is where it said, that one time."""
    goodbye = message(
        "REDIRECT rtsp://127.0.0.1/cam RTSP/1.0", "Location: rtsp://127.0.0.1:{port}/moved", cseq="CSeq: 9"
    )
    async with filmed() as film:
        await film.play(10)
        film.camera.line.send(goodbye.replace(b"{port}", str(film.camera.port).encode()))
        await film.reopened()
        film.number = 25
        await film.play(10)
    assert [url.rpartition("/")[2] for url in film.camera.asked("DESCRIBE")] == ["cam", "moved"]
    assert numbers(film.record()) == [*range(10), *range(25, 35)]


@pytest.mark.parametrize("host", ["10.9.9.9", "169.254.169.254", "[::1]", "192.168.1.10:554", "camera.invalid"])
async def test_what_a_camera_calls_itself_is_never_connected_to(host: str) -> None:
    """Content-Base (S6) and control URLs (S7) name what it thinks its address is: repeated to it, on the connection."""
    sdp = SDP.replace("a=control:*", f"a=control:rtsp://{host}/all").replace("track1", f"rtsp://{host}/all/1")
    turns = conversation(describe=described(sdp, f"Content-Base: {host}/stream0/"))
    async with filmed(turns) as film:
        await film.play(10)
    assert film.camera.asked("SETUP") == [f"rtsp://{host}/all/1"]
    assert film.camera.asked("PLAY") == [f"rtsp://{host}/all"]
    assert len(film.camera.lines) == 1
    assert numbers(film.record()) == list(range(10))


@pytest.mark.parametrize("control", ["track 1", "track1\x0bX-Evil: 1"])
async def test_a_control_url_makes_no_other_request(control: str) -> None:
    """What is repeated word for word is one word of one line."""
    async with filmed(conversation(describe=described(SDP.replace("track1", control)))) as film:
        state = film.rig.recorder.state()
    assert all(request.count("RTSP/1.0") == 1 for request in film.camera.requests)
    assert GapReason(state["reason"] or "no_sync")
