"""The floor of `ingest`, as a program: sockets to files, nothing looked at, nothing made durable.

    python -m benchmarks.raw_copy FOLDER

`orders.py` says how it is told what to read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.orders import Order, await_orders
from benchmarks.reader import read


async def copy(orders: list[Order]) -> None:
    """Copy all cameras until the process is ended."""
    readers = []
    for order in orders:
        fd = os.open(order.folder / "stream", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        readers.append(await read(order.url, partial(os.write, fd)))
    await asyncio.Event().wait()


def mean_packet_bytes(stream: Path) -> float:
    """The mean size of the packets in a file that this program wrote, their 4 bytes of framing included."""
    content = stream.read_bytes()
    position, count = content.index(b"\r\n\r\n") + 4, 0
    first = position
    while position + 4 <= len(content) and content[position] == 0x24:
        position += 4 + int.from_bytes(content[position + 2 : position + 4], "big")
        count += 1
    return (position - first) / count


if __name__ == "__main__":
    uvloop.run(copy(await_orders(Path(sys.argv[1]))))
