"""A line on standard input, for whoever wants to say when something begins."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

from media.errors import UsageError

_STDIN = 0


async def line_on_stdin() -> None:
    """Wait for a line, whatever it says. UsageError if standard input ends first."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bool] = loop.create_future()

    def tell(whole: bool) -> None:
        if not came.done():
            came.set_result(whole)

    def read() -> None:
        # Byte by byte: nothing of what comes after the line is taken from who reads next, and unlike sys.stdin a
        # thread that is still reading holds no lock when the interpreter ends.
        while byte := os.read(_STDIN, 1):
            if byte == b"\n":
                break
        with suppress(RuntimeError):  # the loop has ended meanwhile, and so has who waited
            loop.call_soon_threadsafe(tell, bool(byte))

    # A thread, because standard input may be anything: a pipe, a terminal, a file. A daemon, because it may never end.
    threading.Thread(target=read, name="cue", daemon=True).start()
    if not await came:
        raise UsageError("--wait: standard input ended before a line came; the script has not begun")
