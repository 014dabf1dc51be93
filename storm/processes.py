"""Processes: started in a session of their own, found among the children of what was started here, signalled by handle.

Nothing else is ever signalled. A handle (pidfd) is taken first, and then the process is looked at once more: from then
on its number cannot mean another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from storm.plan import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S = 15.0


def program(*words: str | Path) -> list[str]:
    """How to run a command of the product, whichever directory PYTHONPATH names."""
    return [sys.executable, "-P", "-m", "server", *map(str, words)]


def start(
    command: list[str],
    *,
    log: Path,
    folder: Path,
    environment: Mapping[str, str],
    talks: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program; what it says is appended to `log`, or, if it `talks`, comes through its pipes.

    It is not in the terminal's foreground: Ctrl-C reaches the storm, which then ends everything in order.
    """
    pipe = subprocess.PIPE if talks else None
    with log.open("ab") as said:
        return subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or said,
            stderr=said,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes] | None) -> None:
    """SIGTERM, and SIGKILL for what does not listen."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    finally:  # a second Ctrl-C does not leave it behind either; nothing is sent to one that has ended
        process.kill()
        process.wait()


class Handle:
    """One living process that nobody can be mistaken for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def signal(self, number: signal.Signals) -> bool:
        """Send it a signal; False if it is gone."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return False
        return True


def handle_of(supervisor: int, role: str) -> Handle | None:
    """The supervisor's living child of a role."""
    for pid in children(supervisor):
        if role_of(pid) != role:
            continue
        try:
            found = Handle(pid)
        except ProcessLookupError:
            continue
        if pid in children(supervisor) and role_of(pid) == role:
            return found
        with found:
            continue
    return None


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def role_of(pid: int) -> str | None:
    """Which role a process is, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return next((role for role in ROLES if "server" in words and role in words), None)
