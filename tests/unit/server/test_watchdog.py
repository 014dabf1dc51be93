"""systemd's side of supervision."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import watchdog
from storage.clock import FakeClock
from tests.waiting import eventually


def received(manager: socket.socket) -> list[str]:
    """All datagrams that have arrived."""
    found = []
    try:
        while True:
            found.append(manager.recv(100).decode())
    except BlockingIOError:
        return found


@pytest.fixture(name="manager")
def _manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


async def test_the_service_manager_hears_ready_alive_and_stopping(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At half the interval it asks for, as sd_watchdog_enabled(3) advises."""
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    clock, stop, heard = FakeClock(), asyncio.Event(), []
    feeding = asyncio.ensure_future(watchdog.keep_fed(clock, stop))
    await eventually("ready", lambda: heard.extend(received(manager)) or len(heard) == 2)
    assert heard == ["READY=1", "WATCHDOG=1"]
    clock.advance(4_999_999)
    await eventually("a turn of the loop", lambda: True)
    assert received(manager) == []
    clock.advance(1)
    await eventually("fed again", lambda: heard.extend(received(manager)) or len(heard) == 3)
    stop.set()
    await feeding
    assert received(manager) == ["STOPPING=1"]


async def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there is nobody to tell."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    stop = asyncio.Event()
    stop.set()
    await watchdog.keep_fed(FakeClock(), stop)


def test_a_service_manager_that_is_gone_is_no_reason_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor goes on without it."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    watchdog.notify("READY=1")
