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

if TYPE_CHECKING:
    from asyncio.subprocess import Process

READ_BYTES = 1 << 16


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
