"""Telling cameras that sessions are over: at once, beside everything else, and within bounds."""

from __future__ import annotations

import pytest

from ingest import teardown
from ingest.approach import Approach, CameraMemory
from ingest.backoff import Herd
from ingest.login import Login
from ingest.session import MOST_UNREAD_BYTES, RtspSession
from ingest.teardown import Farewell
from media.errors import GapReason, SourceError
from media.url import CameraUrl
from storage.clock import FakeClock
from tests.builders_recorder import Line

URL = CameraUrl.parse("rtsp://10.0.0.1/cam")


def _session(clock: FakeClock) -> tuple[RtspSession, Line]:
    session, line = RtspSession(clock), Line()
    session.connection_made(line)
    return session, line


def _farewell(clock: FakeClock) -> Farewell:
    login = Login(URL, CameraMemory(), encrypted=False)
    approach = Approach(url=URL, networks=("10.0.0.0/24",))
    return Farewell(approach=approach, login=login, url=URL.request_url, session_id="4711", timeout_s=60, clock=clock)


async def test_teardown_is_sent_before_anything_else_can_happen() -> None:
    """The next thing may be the end of the process."""
    clock = FakeClock()
    session, line = _session(clock)
    farewells = Herd(clock).farewells
    farewells.start(_farewell(clock), session, insist=True)
    (request,) = line.written
    assert request.startswith(b"TEARDOWN rtsp://10.0.0.1/cam RTSP/1.0\r\n")
    assert b"Session: 4711\r\n" in request
    await farewells.finish(clock, 0)
    assert line.closed


async def test_a_city_that_goes_down_at_once_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond it are told once, and closed."""
    monkeypatch.setattr(teardown, "MOST_FAREWELLS", 3)
    clock = FakeClock()
    farewells = Herd(clock).farewells
    lines = []
    for _ in range(5):
        session, line = _session(clock)
        farewells.start(_farewell(clock), session, insist=True)
        lines.append(line)
    assert [len(line.written) for line in lines] == [1] * 5
    assert [line.closed for line in lines] == [False] * 3 + [True] * 2
    await farewells.finish(clock, 0)
    assert all(line.closed for line in lines)


async def test_a_camera_that_reads_nothing_gets_nothing_more() -> None:
    """What is written to it waits in this process."""
    session, line = _session(FakeClock())
    line.get_write_buffer_size = lambda: MOST_UNREAD_BYTES + 1  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="does not read") as caught:
        session.send("OPTIONS", URL.request_url, {})
    assert caught.value.reason is GapReason.PROTOCOL
    assert line.written == []
