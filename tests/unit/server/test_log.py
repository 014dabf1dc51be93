"""What may be logged, and how."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import structlog
from pydantic import SecretStr

from media.errors import ConfigError, GapReason
from media.url import CameraUrl
from server import log

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-canary"
URL = CameraUrl.parse(f"rtsp://operator:{SECRET}@10.0.0.1/x")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as other tests expect it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The lines that were logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_what_prints_safely_is_printed() -> None:
    """Numbers, text, ids, paths and enumerations show what they are."""
    number = UUID(int=7)
    assert log.printable([1, 2.5, None, True, "x", number, Path("/a"), GapReason.AUTH]) == [
        1, 2.5, None, True, "x", str(number), "/a", "auth",
    ]  # fmt: skip


def test_what_is_not_known_to_be_safe_shows_its_type() -> None:
    """A type is safe because somebody thought about it, not because nobody did."""
    assert log.printable({"password": SecretStr(SECRET), "bytes": SECRET.encode(), "object": object()}) == {
        "password": "<SecretStr>",
        "bytes": "<bytes>",
        "object": "<object>",
    }


def test_a_camera_url_is_redacted_by_its_type_and_a_text_by_its_look() -> None:
    """Credentials go, whichever way the URL comes."""
    for value in (URL, f"cannot open {URL.unredacted()}: timeout", [URL], {"url": URL}, ConfigError(URL.unredacted())):
        assert SECRET not in json.dumps(log.printable(value))
        assert "10.0.0.1" in json.dumps(log.printable(value))


def test_collections_and_texts_have_a_bound() -> None:
    """One event cannot fill a disk."""
    assert len(log.printable(list(range(1000)))) == log.MAX_ITEMS
    assert len(log.printable("x" * 100_000)) == log.MAX_TEXT


def test_a_line_says_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON for machines, with the role that speaks; structlog's and the standard library's events alike."""
    log.configure("ship")
    structlog.get_logger().warning("camera_failed", url=URL, attempts=3)
    logging.getLogger("uvicorn.error").error("cannot read %s", URL.unredacted())
    ours, theirs = logged(capsys)
    assert (ours["event"], ours["role"], ours["level"], ours["attempts"]) == ("camera_failed", "ship", "warning", 3)
    assert str(ours["timestamp"]).endswith("Z")
    assert theirs["role"] == "ship"
    assert SECRET not in f"{ours}{theirs}"


def test_an_exception_shows_where_it_was_but_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """The trace has frames and types; URLs in its message have lost their credentials."""
    log.configure("serve")
    try:
        _fail()
    except RuntimeError:
        structlog.get_logger().exception("defect")
    (line,) = logged(capsys)
    assert "in _fail" in str(line["exception"])
    assert SECRET not in str(line)


def _fail() -> None:
    raise RuntimeError(f"cannot open {URL.unredacted()}")


def test_the_level_comes_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HULTA_LOG=warning silences what is ordinary."""
    monkeypatch.setenv("HULTA_LOG", "warning")
    log.configure("keep")
    structlog.get_logger().info("ordinary")
    structlog.get_logger().warning("strange")
    assert [line["event"] for line in logged(capsys)] == ["strange"]
