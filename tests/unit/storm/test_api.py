"""The API as the storm asks it: a server may be killed at any moment, and half an answer is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from simulator import CameraOptions
from storm.announcements import Announcements
from storm.api import Api, ApiFailed, instant_text, instant_us
from storm.examination import Question, examine
from storm.facts import FragmentId
from storm.waiting import wait, wall_us

INSTANT_US = 1_800_000_000_123_456


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """A server that gives these answers, one to each connection, and hangs up; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for each in answers:
                with suppress(OSError):  # nobody asks any more
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1 << 16)
                        connection.sendall(each)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        thread.join(5)


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP response."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + body


def test_an_answer_is_parsed() -> None:
    """Names are encoded, the query is written as people would."""
    with answering(answer(b'{"a": 1}')) as port:
        assert Api(port).json("cameras", "gate 1", query={"from": "x"}) == {"a": 1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(b"no", status="503 Service Unavailable"), "is answered with 503: no"),
        (answer(b"half", length=8), "IncompleteRead|too early"),
        (answer(b"<html>"), "not JSON"),
        (answer(b"", length=1 << 40), "are the most"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_everything_else_is_one_error(given: bytes, said: str) -> None:
    """A refusal, half an answer, none, one that is no JSON and one that is too large."""
    with answering(given) as port, pytest.raises(ApiFailed, match=said):
        Api(port, patience_s=2).json("cameras")


def test_an_answer_that_does_not_say_how_long_it_is_has_a_bound() -> None:
    """Memory and disk are those of whoever asks."""
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 2000
    with answering(endless) as port, pytest.raises(ApiFailed, match="more than 1000 bytes"):
        b"".join(Api(port, patience_s=2).stream("cameras", headers={}, most_bytes=1000))


def test_nobody_there_is_the_same_error() -> None:
    """While the product is being started again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ApiFailed, match="ConnectionRefused"):
        Api(port).json("cameras")


def test_instants_are_written_and_read() -> None:
    """RFC 3339 UTC with microseconds."""
    assert instant_text(INSTANT_US) == "2027-01-15T08:00:00.123456Z"
    assert instant_us(instant_text(INSTANT_US)) == INSTANT_US


def test_what_is_announced_is_noted() -> None:
    """By run, epoch, segment and fragment; a camera without a durable fragment, and a failing API, say nothing."""
    body = (
        b'{"run": "0a", "cameras": [{"id": "1", "name": "gate", "durable": {"run": "0a", "epoch": 1, "sequence": 2, '
        b'"fragment": 3, "through": "2027-01-15T08:00:00.123456Z"}}, {"id": "2", "name": "yard", "durable": null}]}'
    )
    failing = answer(b"", status="503 Service Unavailable")
    with answering(failing, answer(body), failing) as port, Announcements(Api(port)) as announced:
        assert wait(10, lambda: not announced.behind(["gate"], 0), look_s=0.01)
        assert announced.seen("gate", INSTANT_US) == {FragmentId(10, 1, 2, 3): INSTANT_US}
        assert announced.seen("gate", INSTANT_US - 1) == {}
        assert announced.behind(["gate", "yard"], INSTANT_US - 1) == ["yard"]
        assert wait(10, lambda: announced.through_us("gate") == INSTANT_US, look_s=0.01)


@pytest.mark.parametrize(("ahead_us", "broken"), [(3_600_000_000, ["gate"]), (0, [])])
def test_what_is_announced_before_it_has_happened(ahead_us: int, broken: list[str]) -> None:
    """It would not be asked for, because it ends after the range."""
    through = instant_text(wall_us() + ahead_us).encode()
    body = (
        b'{"run": "0a", "cameras": [{"id": "1", "name": "gate", "durable": {"run": "0a", "epoch": 1, "sequence": 2, '
        b'"fragment": 3, "through": "%s"}}]}' % through
    )
    with answering(answer(body)) as port, Announcements(Api(port)) as announced:
        assert wait(10, lambda: not announced.behind(["gate"], 0), look_s=0.01)
        assert [each.camera for each in announced.violations] == broken


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"spans": [{"from": "noon", "to": "one"}]}', b"null"])
def test_an_answer_that_is_not_what_the_api_promises_is_a_violation(body: bytes, tmp_path: Path) -> None:
    """And the other cameras are examined all the same."""
    with answering(answer(body)) as port:
        report = examine(
            Question(
                api=Api(port, patience_s=2),
                camera=CameraOptions(name="gate"),
                cameras=1,
                from_us=INSTANT_US,
                to_us=INSTANT_US + 1,
                began_us=INSTANT_US,
                sent_log=None,
                announced={},
                faults=[],
                strikes=[],
                kill_us=0,
                full=[],
                scratch=tmp_path / "video.mp4",
            )
        )
    assert [violation.rule for violation in report.violations] == ["evidence_is_readable"]
