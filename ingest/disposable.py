"""Processes that hostile bytes are given to: started with nothing, ended without regret.

Such a child gets no environment but the way to the program's own code, nothing of interest on its command line, what it
must know on its standard input, a session of its own (no terminal, no signals of our group), and no descriptor but its
three. What it does to itself after that is in `ingest.confinement`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from media.errors import CodecError
from storage.waiting import first_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from storage.clock import Clock

READ_BYTES = 1 << 16
END_TIMEOUT_S = 2.0


def command(module: str) -> tuple[str, ...]:
    """The command line: the module, and the pid without which it is not to live."""
    return (sys.executable, "-P", "-s", "-m", module, str(os.getpid()))


class Surroundings(TypedDict):
    """Arguments of `subprocess_exec`."""

    env: dict[str, str]
    start_new_session: bool
    close_fds: bool
    cwd: str


def surroundings() -> Surroundings:
    """Everything else that starting it takes."""
    code = str(Path(__file__).parent.parent)
    return {"env": {"PYTHONPATH": code}, "start_new_session": True, "close_fds": True, "cwd": "/"}


class Processes:
    """Those whose end is not waited for where they are ended: by the end of this one, all of them are reaped."""

    def __init__(self) -> None:
        self._gone: set[asyncio.Event] = set()

    def add(self, gone: asyncio.Event) -> None:
        """One more, which will say when nothing of it is left."""
        self._gone = {other for other in self._gone if not other.is_set()} | {gone}

    async def finish(self, clock: Clock) -> None:
        """Wait until all are gone, for END_TIMEOUT_S at most: a process that the kernel holds cannot be ended."""
        await first_of(self._all_gone(), clock.sleep(END_TIMEOUT_S))

    async def _all_gone(self) -> None:
        for gone in tuple(self._gone):
            await gone.wait()


async def answer_of(module: str, question: bytes, *, most_bytes: int, timeout_s: float) -> bytes:
    """What the child says to the question. CodecError if it fails, takes too long, or says too much."""
    process = await asyncio.create_subprocess_exec(
        *command(module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        **surroundings(),
    )
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _exchange(process, question, most_bytes)
            code = await process.wait()
    except TimeoutError:
        raise CodecError(f"no picture after {timeout_s:.0f} s of decoding") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        words = answer[:200].decode("utf-8", "replace") if code == 1 else f"the decoder ended with {code}"
        raise CodecError(f"the picture cannot be decoded: {words}")
    return answer


async def _exchange(process: Process, question: bytes, most_bytes: int) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    answer = bytearray()
    try:
        process.stdin.write(question)
        await process.stdin.drain()
        process.stdin.close()
    except ConnectionError:
        return b""  # it ended without reading; its exit says why
    while part := await process.stdout.read(READ_BYTES):
        answer += part
        if len(answer) > most_bytes:
            raise CodecError(f"the decoder answered with more than {most_bytes} bytes")
    return bytes(answer)
