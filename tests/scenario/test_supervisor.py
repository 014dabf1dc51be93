"""The supervisor over real processes: they are killed, stopped and orphaned, and come back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.role_lock import is_held
from server.status_socket import read_status
from storage.clock import HostClock
from storage.layout import Layout
from tests.waiting import POLL_S, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "supervised_program.py"
CHILDREN = ("record", "serve")
ANSWER_S = 5.0
"""Whoever is there answers at once, unless the machine is busy with something else."""


class Supervised:
    """A supervisor that was started, and what can be seen of it."""

    def __init__(self, data: Path, *children: str) -> None:
        self.layout = Layout(data)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", str(PROGRAM), "supervise", str(data), *children]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    async def answer(self, role: str) -> dict[str, Any]:
        """A role's document; {} if it does not answer, as one that is stopped."""
        return await read_status(self.layout.socket(role), timeout_s=ANSWER_S) or {}

    async def up(self, role: str, *, other_than: int = 0) -> int:
        """Wait until a role answers under a new pid, and the supervisor has heard it."""
        pid = 0

        async def answers() -> bool:
            nonlocal pid
            pid = (await self.answer(role)).get("pid", 0)
            return pid not in {0, other_than} and bool((await self.child(role)).get("up"))

        await until(answers)
        return pid

    async def child(self, role: str) -> dict[str, Any]:
        """What the supervisor says about a child."""
        children: dict[str, dict[str, Any]] = (await self.answer("supervisor")).get("children", {})
        return children.get(role, {})

    def events(self, role: str) -> list[str]:
        """What happened to a role's processes."""
        return (self.layout.root / f"{role}.log").read_text().splitlines()


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """`eventually` for a condition that has to be awaited."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for is outside of this process
            await asyncio.sleep(POLL_S)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def supervised(data: Path, *children: str) -> Iterator[Supervised]:
    """A supervisor, ended with the block whatever its state."""
    data.mkdir(exist_ok=True)
    system = Supervised(data, *(children or [f"{name}=polite" for name in CHILDREN]))
    assert system.process.stderr is not None
    try:
        yield system
    finally:
        if system.process.poll() is None:
            system.process.send_signal(signal.SIGCONT)
            system.process.terminate()
            system.process.wait(15)
        system.process.stderr.close()


async def test_a_killed_role_is_started_again(tmp_path: Path) -> None:
    """Kill -9 of a role costs a restart of that role and of no other."""
    with supervised(tmp_path / "data") as system:
        record, serve = await system.up("record"), await system.up("serve")
        os.kill(record, signal.SIGKILL)
        await system.up("record", other_than=record)
        assert (await system.child("record"))["restarts"] == 1
        assert (await system.child("record"))["last_end"] == "SIGKILL"
        assert (await system.answer("serve"))["pid"] == serve


async def test_a_role_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    """A stopped process exits by itself never; its silence is noticed."""
    with supervised(tmp_path / "data") as system:
        record = await system.up("record")
        os.kill(record, signal.SIGSTOP)
        await system.up("record", other_than=record)
        assert not alive(record)
        assert (await system.child("record"))["last_end"] == "hung"


async def test_a_supervisor_that_was_stopped_for_a_while_kills_nobody(tmp_path: Path) -> None:
    """Silence is what the supervisor asked and got no answer to, not the time it was asleep itself."""
    with supervised(tmp_path / "data") as system:
        record, serve = await system.up("record"), await system.up("serve")
        os.kill(system.process.pid, signal.SIGSTOP)
        await HostClock().sleep(3)  # longer than a child may be silent
        os.kill(system.process.pid, signal.SIGCONT)
        await until(lambda: system.child("record"))
        await HostClock().sleep(1)  # ten looks at each child
        assert ((await system.answer("record"))["pid"], (await system.answer("serve"))["pid"]) == (record, serve)


async def test_sigterm_ends_everything_in_order(tmp_path: Path) -> None:
    """Each child is told, finishes, and is waited for."""
    with supervised(tmp_path / "data") as system:
        pids = [await system.up(name) for name in CHILDREN]
        system.process.terminate()
        assert system.process.wait(10) == 0
        assert not any(alive(pid) for pid in pids)
        assert [system.events(name)[-1].split()[0] for name in CHILDREN] == ["stopped", "stopped"]


async def test_a_child_that_does_not_stop_is_killed_in_time(tmp_path: Path) -> None:
    """A stubborn child does not keep the supervisor from ending."""
    with supervised(tmp_path / "data", "record=stubborn") as system:
        record = await system.up("record")
        system.process.terminate()
        assert system.process.wait(10) == 0
        assert not alive(record)


async def test_children_end_with_a_killed_supervisor_and_a_successor_takes_over(tmp_path: Path) -> None:
    """They are told by the kernel, and finish what they had begun; the successor starts new ones."""
    data = tmp_path / "data"
    with supervised(data) as first:
        pids = {name: await first.up(name) for name in CHILDREN}
        first.process.kill()
        first.process.wait()
        with supervised(data) as second:
            for name, pid in pids.items():
                await second.up(name, other_than=pid)
                assert second.events(name)[:2] == [f"started {pid}", f"stopped {pid}"]


async def test_a_successor_ends_a_child_that_hangs(tmp_path: Path) -> None:
    """An orphan that hears nothing would keep the lock forever; it is named in the lock file, and killed."""
    data = tmp_path / "data"
    with supervised(data) as first:
        record = await first.up("record")
        os.kill(record, signal.SIGSTOP)
        first.process.kill()
        first.process.wait()
        assert is_held(Layout(data).lock("record"))
        with supervised(data) as second:
            await second.up("record", other_than=record)
            assert not alive(record)


async def test_a_supervisor_killed_while_it_starts_children_leaves_none(tmp_path: Path) -> None:
    """A child that comes up after its supervisor died notices that it is nobody's child."""
    data = tmp_path / "data"
    with supervised(data) as system:
        children = Path(f"/proc/{system.process.pid}/task/{system.process.pid}/children")
        pids: list[int] = []
        await eventually(
            "two children exist", lambda: len(pids.extend(map(int, children.read_text().split())) or pids) > 1
        )
        system.process.kill()
        system.process.wait()
        await eventually("no child is left", lambda: not any(alive(pid) for pid in pids))


async def test_children_share_group_and_session_with_their_supervisor(tmp_path: Path) -> None:
    """What a terminal or a service manager sends to one reaches all."""
    with supervised(tmp_path / "data") as system:
        record = await system.up("record")
        assert os.getpgid(record) == os.getpgid(system.process.pid)
        assert os.getsid(record) == os.getsid(system.process.pid)


async def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY when the children are being started, WATCHDOG while the loop turns, STOPPING at the end."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")

        def hears(word: str, times: int = 1) -> bool:
            with suppress(BlockingIOError):
                heard.append(manager.recv(100).decode())
            return heard.count(word) >= times

        with supervised(tmp_path / "data") as system:
            await eventually("ready", lambda: hears("READY=1"))
            await eventually("fed", lambda: hears("WATCHDOG=1", times=3))
            system.process.terminate()
            assert system.process.wait(10) == 0
        await eventually("stopping", lambda: hears("STOPPING=1"))


async def test_there_is_one_supervisor_per_data_directory(tmp_path: Path) -> None:
    """The second is told who is first, and disturbs nobody."""
    data = tmp_path / "data"
    with supervised(data) as first:
        record = await first.up("record")
        with supervised(data) as second:
            assert second.process.wait(20) == 1
            assert second.process.stderr is not None
            assert (
                f"supervisor already runs on {data} (pid {first.process.pid})" in second.process.stderr.read().decode()
            )
        assert (await first.answer("record"))["pid"] == record
