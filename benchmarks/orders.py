"""How a recorder that is only a benchmark's is told what to record, so that its memory can be read before and after.

It imports everything, makes `FOLDER/ready`, and waits for `FOLDER/orders`, a line per camera: a directory and a URL.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Order:
    """A camera, and the directory where its stream goes."""

    folder: Path
    url: str


def await_orders(folder: Path) -> list[Order]:
    """The orders, once they are there."""
    (folder / "ready").touch()
    path = folder / "orders"
    while not path.exists():
        time.sleep(_POLL_S)
    return [Order(Path(where), url) for where, url in map(str.split, path.read_text("utf-8").splitlines())]


def give_orders(folder: Path, orders: Sequence[Order]) -> None:
    """Let it begin."""
    draft = folder / "orders.draft"
    draft.write_text("".join(f"{order.folder} {order.url}\n" for order in orders), "utf-8")
    draft.rename(folder / "orders")
