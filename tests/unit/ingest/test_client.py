"""A playing session beside its packets: what keeps it alive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from media.errors import GapReason, SourceError
from media.rtp import RtpReceiver
from media.rtsp import Headers, Response
from media.rtsp_auth import verify
from media.url import CameraUrl
from tests.builders_recorder import Line, Nothing, Rig
from tests.waiting import eventually

URL = CameraUrl.parse("rtsp://op:secret@10.0.0.1/cam")


class Playing:
    """A session that plays, with a clock of its own and a camera that answers as told."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.camera = self.rig.watch(RtpReceiver(96, Nothing()), URL)
        line = self.camera.session._transport
        assert isinstance(line, Line)
        self.line = line

    async def pass_time(self, seconds: int) -> None:
        """Packets come, the worker looks."""
        for _ in range(4 * seconds):
            self.rig.clock.advance(250_000)
            self.camera.session.last_media_us = self.rig.clock.boot_us()
            self.camera.check(self.rig.clock.boot_us())

    async def answer(self, status: int, *fields: tuple[str, str], reason: str = "x") -> None:
        """The camera's answer to the last request."""
        cseq = self.requests()[-1].partition("CSeq: ")[2].partition("\r\n")[0]
        headers = Headers([("CSeq", cseq), *fields])
        received = Response(status=status, reason=reason, headers=headers).to_bytes()
        self.camera.session.get_buffer(0)[: len(received)] = received
        self.camera.session.buffer_updated(len(received))
        await self.camera.session._clock.sleep(0)

    def requests(self) -> list[str]:
        """Everything sent."""
        return [written.decode() for written in self.line.written]


@pytest.fixture(name="playing")
async def _playing() -> Playing:
    return Playing()


def _challenge(nonce: str, *, stale: bool) -> tuple[str, str]:
    return "WWW-Authenticate", f'Digest realm="r", nonce="{nonce}"' + (", stale=true" if stale else "")


def _nonces(requests: list[str]) -> Iterator[str]:
    for request in requests:
        for line in request.split("\r\n"):
            if line.startswith("Authorization: "):
                given = line.removeprefix("Authorization: ")
                nonce = given.partition('nonce="')[2].partition('"')[0]
                assert verify(given, request.split(" ")[0], "op", "secret", "r", nonce)
                yield nonce


@pytest.mark.parametrize("stale", [True, False])
async def test_a_nonce_that_became_too_old_is_answered(playing: Playing, stale: bool) -> None:
    """Cameras give a nonce a minute or two, and not all of them say that it is stale; the password was right before."""
    await playing.pass_time(31)
    await playing.answer(401, _challenge("one", stale=stale))
    await playing.answer(200, ("Public", "OPTIONS, GET_PARAMETER"))
    await playing.pass_time(31)
    await playing.answer(401, _challenge("two", stale=stale))
    await playing.answer(200)
    assert [request.split(" ")[0] for request in playing.requests()] == [
        "OPTIONS",
        "OPTIONS",
        "GET_PARAMETER",
        "GET_PARAMETER",
    ]
    assert list(_nonces(playing.requests())) == ["one", "one", "two"]
    assert not playing.camera.session.failure.done()


async def test_a_keepalive_that_stays_refused_is_repeated_once(playing: Playing) -> None:
    """No flood of logins, no locked account; the session is the camera's to end."""
    await playing.pass_time(31)
    for nonce in ("one", "two", "three"):
        await playing.answer(401, _challenge(nonce, stale=False))
    assert len(playing.requests()) == 2
    assert not playing.camera.session.failure.done()


async def test_a_keepalive_that_nobody_answers_costs_nothing(playing: Playing) -> None:
    """Packets are the sign of life."""
    await playing.pass_time(200)
    assert len(playing.requests()) == 6
    assert not playing.camera.session.failure.done()


async def test_a_cameras_own_words_are_a_short_line_of_text(playing: Playing) -> None:
    """They go into the journal, into answers of the API and to a terminal."""
    asked = asyncio.create_task(playing.camera._request("DESCRIBE", "rtsp://10.0.0.1/cam", {}))
    await eventually("the request", playing.requests)
    await playing.answer(404, reason="Not \x1b[2J here" + 5_000 * "!")
    with pytest.raises(SourceError, match=r"^DESCRIBE was answered with 404 Not \?\[2J here!{87}$") as caught:
        await asked
    assert caught.value.reason is GapReason.NOT_FOUND
