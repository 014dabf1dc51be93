"""`hulta run`: one process that keeps the others alive.

    1. Take the supervisor's lock: one supervisor per data directory.
    2. End what a killed predecessor left: its children were told to end with it (server/parent.py), the lock files name
       those that still live.
    3. Hold the API's socket, so that a busy port is an error now and a restart of `serve` refuses nobody.
    4. Keep the children alive (server/child.py). `record` starts from the last assignments; it does not wait for the
       catalog.
    5. Beside it, keep the assignments file equal to the catalog's cameras (server/assigner.py).
    6. On SIGTERM stop all children at once; they have 8 s to seal and leave.

Nothing here opens a camera or touches footage.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from server import parent, role_lock, watchdog
from server.child import Child, ChildPlan, Patience
from server.role import ROLES, stop_on_signals
from server.role_lock import RoleLock
from server.status_socket import answering

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from server.settings import Settings
    from storage.clock import Clock
    from storage.layout import Layout

NAME = "supervisor"
PREDECESSOR_PATIENCE_S = 4.0
LONGEST_PAUSE_S = 15.0
RECORD_LONGEST_PAUSE_S = 2.0  # `record` comes back within 5 s of a kill, however often it is killed

PATIENT = Patience()

log = structlog.get_logger(__name__)


class Companion(Protocol):
    """What runs in the supervisor itself beside the children; it must not raise."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        ...


class Supervisor:
    """Keeps children alive until told to stop."""

    def __init__(
        self,
        *,
        data: Layout,
        clock: Clock,
        plans: Sequence[ChildPlan],
        patience: Patience = PATIENT,
    ) -> None:
        self._data = data
        self._clock = clock
        self._started_us = clock.wall_us()
        self._children = [Child(plan, clock, patience) for plan in plans]

    def state(self) -> dict[str, Any]:
        """The supervisor's status document."""
        children = {child.plan.name: child.state() for child in self._children}
        return {"role": NAME, "pid": os.getpid(), "started_us": self._started_us, "children": children}

    async def run(self, stop: asyncio.Event, companions: Sequence[Companion] = ()) -> None:
        """Supervise until `stop`. The caller holds the supervisor's lock and has ended the predecessor's children."""
        async with answering(self._data.socket(NAME), self.state), asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(child.run(stop), name=child.plan.name)
            for companion in companions:
                group.create_task(companion.run(stop))
            group.create_task(watchdog.keep_fed(self._clock, stop))


def role_plans(settings: Settings, data: Layout, listener: socket.socket) -> list[ChildPlan]:
    """The four roles as children; `record` first."""
    return [_role_plan(name, settings, data, listener) for name in ROLES]


def _role_plan(name: str, settings: Settings, data: Layout, listener: socket.socket) -> ChildPlan:
    serves = name == "serve"
    extra = ("--listener", str(listener.fileno())) if serves else ()
    return ChildPlan(
        name=name,
        command=(*this_program(), name, "--data", str(data.root), *extra),
        answers_at=data.socket(name),
        stdin=settings.for_roles(),
        sockets=(listener,) if serves else (),
        environment={parent.PARENT_VARIABLE: str(os.getpid())},
        longest_pause_s=RECORD_LONGEST_PAUSE_S if name == "record" else LONGEST_PAUSE_S,
    )


def this_program() -> tuple[str, ...]:
    """How to start a process of this installation. -P: the working directory must not shadow `storage` or `server`."""
    return (sys.executable, "-P", "-m", "server")


async def supervise(
    *,
    data: Layout,
    clock: Clock,
    plan: Callable[[], tuple[Sequence[ChildPlan], Sequence[Companion]]],
    patience: Patience = PATIENT,
) -> None:
    """Everything `hulta run` does, until SIGTERM. `plan` is asked once nothing of a predecessor is left."""
    stop = stop_on_signals()
    with RoleLock.take(data.lock(NAME)):
        ends = [role_lock.end_holder(data.lock(name), patience_s=PREDECESSOR_PATIENCE_S) for name in ROLES]
        await asyncio.gather(*ends)
        plans, companions = plan()
        supervisor = Supervisor(data=data, clock=clock, plans=plans, patience=patience)
        await supervisor.run(stop, companions)
    log.info("supervisor_stopped")
