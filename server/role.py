"""A role: one of `record`, `ship`, `keep`, `serve` as a process.

The frame is the same for all: end with the supervisor, take the role's lock, answer on the status socket, run until
SIGTERM. What a role does is its own module, `server/role_<name>.py`, whose `part()` composes it; a role imports only
what it needs, so `record` starts without the web framework and without the catalog.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
import uvloop

from media.errors import HultaError
from server import log as logging
from server.key_access import take_over
from server.role_lock import RoleLock
from server.settings import Settings
from server.spool_access import with_disks
from server.status_socket import answering
from storage.clock import Clock, HostClock
from storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

ROLES = ("record", "ship", "keep", "serve")

log = structlog.get_logger(__name__)


class Part(Protocol):
    """What a role does: it runs until it is told to stop, and can say how it is meanwhile."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; whatever fails on the way is its own to try again."""
        ...

    def state(self) -> Mapping[str, Any]:
        """JSON-ready values."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a part is composed from. `listener` is the API's socket where the supervisor holds it."""

    settings: Settings
    data: Layout
    clock: Clock
    listener: socket.socket | None = None


class Composition(Protocol):
    """`part` of a role's module."""

    def __call__(self, around: Surroundings) -> AbstractAsyncContextManager[Part]:
        """The part, and what it needs, for the length of a block."""
        ...


def run_role(name: str, around: Surroundings) -> None:
    """Be this role until SIGTERM or SIGINT. Raises AlreadyRunning, or what composing the part raises."""
    compose: Composition = importlib.import_module(f"server.role_{name}").part
    with RoleLock.take(around.data.lock(name)):
        uvloop.run(_live(name, around, compose))


async def _live(name: str, around: Surroundings, compose: Composition) -> None:
    stop = stop_on_signals()
    born = {"role": name, "pid": os.getpid(), "started_us": around.clock.wall_us()}
    async with compose(around) as part, answering(around.data.socket(name), lambda: {**part.state(), **born}):
        log.info("role_started", pid=os.getpid())
        await part.run(stop)
    log.info("role_stopped")


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. Further ones change nothing: whoever waits for us has a deadline."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def run_supervised(arguments: Sequence[str]) -> int:
    """`python -P -m server <role> --data DIR`, started by the supervisor with the settings on standard input.

    Settings travel through a pipe, so a configuration file that is edited meanwhile cannot keep `record` from coming
    back, and no secret shows in a command line, an environment or a file.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--listener", type=int)
    given = parser.parse_args(arguments)
    logging.configure(given.role)
    about, _, secrets = sys.stdin.buffer.read().partition(b"\n")
    settings = Settings.model_validate_json(about)
    take_over(secrets)
    listener = None if given.listener is None else socket.socket(fileno=given.listener)
    around = Surroundings(
        settings=settings, data=with_disks(Layout(given.data), settings), clock=HostClock(), listener=listener
    )
    try:
        run_role(given.role, around)
    except HultaError as error:
        log.error("role_failed", error=error, hint=error.hint or None)  # noqa: TRY400 - the message says it all
        return 1
    except Exception:
        log.exception("role_defect")
        return 1
    return 0
