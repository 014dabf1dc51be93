"""One child of the supervisor: started, watched, started again.

Before the first start a predecessor's process of the same role is ended (server/role_lock.py). What can go wrong then:
1. It exits, killed or by itself: started again at once, or after a pause that doubles while it keeps dying young.
2. It hangs: its status socket does not answer for `silence_s`. It is killed (SIGKILL: a process that does not turn its
   loop would not hear anything milder), and 1. follows.
3. It is told to stop: SIGTERM, `stop_s` to seal and leave, then SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import HultaError
from server.key_access import inheritable
from server.role_lock import end_holder
from server.status_socket import read_status
from storage.waiting import pause

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from storage.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the supervisor waits for what. Seconds."""

    start_s: float = 30.0  # until the first answer: imports on a cold, busy machine took 6 s
    silence_s: float = 10.0  # between answers: longer than any pause that a busy disk gave an event loop here
    look_s: float = 1.0
    stop_s: float = 8.0  # of the 10 s in which all must be down
    grown_up_s: float = 10.0  # a child that lived this long is not dying young
    first_pause_s: float = 0.25
    predecessor_s: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What to run. `answers_at` is its status socket; without one only its exit is noticed."""

    name: str
    command: tuple[str, ...]
    answers_at: Path | None
    stdin: bytes = b""
    quiet: bool = False  # its standard output is not for the terminal
    lock: Path | None = None  # who holds it is ended before the first start
    sockets: tuple[socket.socket, ...] = ()  # handed down under the same numbers
    prepare: Callable[[], object] | None = None  # called before each start; while it fails, there is none
    niceness: int = 0
    longest_pause_s: float = 15.0
    environment: dict[str, str] = field(default_factory=dict)


class Child:
    """Keeps one process alive until told to stop."""

    def __init__(self, plan: ChildPlan, clock: Clock, patience: Patience) -> None:
        self.plan = plan
        self._clock = clock
        self._patience = patience
        self._pid: int | None = None
        self._answers = False
        self._starts = 0
        self._young_deaths = 0
        self._last_end = ""

    def state(self) -> dict[str, Any]:
        """For the supervisor's status document."""
        restarts = max(0, self._starts - 1)
        return {"pid": self._pid, "up": self._answers, "restarts": restarts, "last_end": self._last_end or None}

    async def run(self, stop: asyncio.Event) -> None:
        """Start it, and again, until `stop`."""
        if self.plan.lock is not None:
            await end_holder(self.plan.lock, patience_s=self._patience.predecessor_s)
        while not stop.is_set():
            born_us = self._clock.boot_us()
            try:
                await self._live(stop)
            except (OSError, HultaError) as error:  # no memory, a port taken: a reason to try again, not to give up
                self._last_end = f"could not start: {getattr(error, 'strerror', None) or error}"
                log.warning("child_not_started", child=self.plan.name, error=error)
            if not stop.is_set():
                lived_s = (self._clock.boot_us() - born_us) / 1_000_000
                await self._pause(lived_s, stop)

    async def _live(self, stop: asyncio.Event) -> None:
        process = await self._start()
        self._pid = process.pid
        exited = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stop.wait())
        silent = asyncio.create_task(self._silence(process.pid))
        try:
            await asyncio.wait({exited, stopped, silent}, return_when=asyncio.FIRST_COMPLETED)
            if silent.done() and not exited.done():
                log.error("child_hangs", child=self.plan.name, pid=process.pid)
                process.kill()
            elif stopped.done():
                await self._end(process)
            self._note_end(await process.wait(), hung=silent.done())
        finally:
            for task in (exited, stopped, silent):
                task.cancel()
            if process.returncode is None:
                process.kill()
            self._pid, self._answers = None, False

    async def _start(self) -> asyncio.subprocess.Process:
        """In the supervisor's process group and session: what signals one (a terminal, systemd) signals all."""
        if self.plan.prepare is not None:
            self.plan.prepare()
        process = await asyncio.create_subprocess_exec(
            *self.plan.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL if self.plan.quiet else None,
            pass_fds=[given.fileno() for given in self.plan.sockets],
            env={**inheritable(), **self.plan.environment},
        )
        self._starts += 1
        with suppress(ProcessLookupError):  # it may have ended already
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, process.pid, own + self.plan.niceness)
        log.info("child_started", child=self.plan.name, pid=process.pid, starts=self._starts)
        assert process.stdin is not None
        process.stdin.write(self.plan.stdin)
        process.stdin.close()
        return process

    async def _silence(self, pid: int) -> None:
        """Return once the child has not answered for too long."""
        if self.plan.answers_at is None:
            await asyncio.Event().wait()
            return
        answered_us, patience_s, failures = self._clock.boot_us(), self._patience.start_s, 0
        while True:
            document = await read_status(self.plan.answers_at, timeout_s=self._patience.silence_s / 2)
            now_us = self._clock.boot_us()
            if document is not None and document.get("pid") == pid:
                answered_us, patience_s, failures = now_us, self._patience.silence_s, 0
                self._answers = True
            elif failures > 0 and now_us - answered_us >= patience_s * 1_000_000:
                return  # asked twice in vain: one question may have been cut short by our own host's sleep
            else:
                failures += 1
            await self._clock.sleep(self._patience.look_s)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._patience.stop_s)
        except TimeoutError:
            log.warning("child_does_not_stop", child=self.plan.name, pid=process.pid)
            process.kill()

    def _note_end(self, code: int, *, hung: bool) -> None:
        self._last_end = "hung" if hung else f"exit {code}" if code >= 0 else signal.Signals(-code).name
        log.info("child_ended", child=self.plan.name, end=self._last_end)

    async def _pause(self, lived_s: float, stop: asyncio.Event) -> None:
        """Not at all after a grown-up's death; doubling while it dies young, up to the plan's longest pause."""
        self._young_deaths = 0 if lived_s >= self._patience.grown_up_s else self._young_deaths + 1
        if self._young_deaths <= 1:
            return
        doublings = min(self._young_deaths - 2, 10)
        pause_s = min(self.plan.longest_pause_s, self._patience.first_pause_s * 2**doublings)
        await pause(self._clock, pause_s, stop)
