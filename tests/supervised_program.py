"""A supervisor over small children, as a program of its own: `python supervised_program.py supervise|child ...`.

The children take their role's lock and answer on their socket as real roles do, and write what happens to them to
`<data>/<name>.log`, a line an event.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from media.errors import HultaError
from server.child import ChildPlan, Patience
from server.parent import PARENT_VARIABLE, follow_parent
from server.role import stop_on_signals
from server.role_lock import RoleLock
from server.status_socket import answering
from server.supervisor import supervise
from storage.clock import HostClock
from storage.layout import Layout

PATIENCE = Patience(start_s=20, silence_s=2.0, look_s=0.1, stop_s=3, grown_up_s=0.2)


def plan(name: str, data: Path, kind: str) -> ChildPlan:
    """One small child."""
    return ChildPlan(
        name=name,
        command=(sys.executable, "-P", __file__, "child", str(data), name, kind),
        answers_at=Layout(data).socket(name),
        lock=Layout(data).lock(name),
        environment={PARENT_VARIABLE: str(os.getpid()), "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def run_supervisor(data: Path, *children: str) -> int:
    """`name=kind` each."""
    plans = [plan(name, data, kind) for name, _, kind in (child.partition("=") for child in children)]
    try:
        asyncio.run(supervise(data=Layout(data), clock=HostClock(), plan=lambda: (plans, []), patience=PATIENCE))
    except HultaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def live(data: Path, name: str, kind: str) -> None:
    """Answer until told to stop."""
    stop = stop_on_signals()
    if kind == "stubborn":
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def state() -> dict[str, Any]:
        return {"pid": os.getpid()}

    async with answering(Layout(data).socket(name), state):
        await stop.wait()


def run_child(data: Path, name: str, kind: str) -> int:
    """Be a role."""
    follow_parent()
    with RoleLock.take(Layout(data).lock(name)):
        note(data, name, "started")
        asyncio.run(live(data, name, kind))
        note(data, name, "stopped")
    return 0


def note(data: Path, name: str, event: str) -> None:
    """Write a line that survives whatever comes."""
    with (data / f"{name}.log").open("a") as file:
        file.write(f"{event} {os.getpid()}\n")


if __name__ == "__main__":
    what, directory, *arguments = sys.argv[1:]
    sys.exit((run_supervisor if what == "supervise" else run_child)(Path(directory), *arguments))
