"""`hulta run`: one process that keeps the others alive.

    1. Take the supervisor's lock: one supervisor per data directory.
    2. Hold the API's socket: a busy port is an error now, and a restart of `serve` refuses nobody. If the `serve`
       of a killed predecessor still has it, that waits for step 3.
    3. For each role: end what the predecessor left (its children were told to end with it, server/parent.py; the lock
       files name those that still live), then keep a child alive (server/child.py). No role waits for another, and
       `record` starts from the last assignments: it does not wait for the catalog either.
    4. Beside it, keep the assignments file equal to the catalog's cameras (server/assigner.py).
    5. On SIGTERM stop all children at once; they have 8 s to seal and leave.

Nothing here opens a camera or touches footage.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from server import parent, watchdog
from server.child import Child, ChildPlan, Patience
from server.key_access import handed_down
from server.listener import ApiSocket
from server.role import ROLES, stop_on_signals
from server.role_lock import RoleLock, is_held
from server.status_socket import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.settings import Settings
    from storage.clock import Clock
    from storage.layout import Layout

NAME = "supervisor"
LONGEST_PAUSE_S = 15.0
RECORD_LONGEST_PAUSE_S = 2.0  # `record` comes back within 5 s of a kill, however often it is killed
NICENESS = {"record": 0, "serve": 3, "ship": 5, "keep": 10}  # when there is too little CPU, recording is what goes on

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
        """Supervise until `stop`. The caller holds the supervisor's lock."""
        async with answering(self._data.socket(NAME), self.state), asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(child.run(stop), name=child.plan.name)
            for companion in companions:
                group.create_task(companion.run(stop))
            group.create_task(watchdog.keep_fed(self._clock, stop))


def role_plans(settings: Settings, data: Layout) -> list[ChildPlan]:
    """The four roles as children; `record` first. HultaError when the API's address is taken."""
    api = ApiSocket(settings.host.listen)
    if not is_held(data.lock("serve")):
        api.hold()
    return [_role_plan(name, settings, data, api) for name in ROLES]


def _role_plan(name: str, settings: Settings, data: Layout, api: ApiSocket) -> ChildPlan:
    serves = name == "serve"
    extra = ("--listener", str(api.socket.fileno())) if serves else ()
    return ChildPlan(
        name=name,
        command=(*this_program(), name, "--data", str(data.root), *extra),
        answers_at=data.socket(name),
        stdin=settings.for_role(name) + handed_down(name),
        lock=data.lock(name),
        sockets=(api.socket,) if serves else (),
        prepare=api.hold if serves else None,
        niceness=NICENESS[name],
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
    """Everything `hulta run` does, until SIGTERM. `plan` is asked once this is the only supervisor."""
    stop = stop_on_signals()
    with RoleLock.take(data.lock(NAME)):
        plans, companions = plan()
        supervisor = Supervisor(data=data, clock=clock, plans=plans, patience=patience)
        await supervisor.run(stop, companions)
    log.info("supervisor_stopped")
