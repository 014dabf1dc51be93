"""How far a stream is durable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from media.moof import TRACK_ID

if TYPE_CHECKING:
    from media.commit import Commit


class Durable:
    """The last durable fragment, of pictures or sound, and where the pictures end."""

    def __init__(self) -> None:
        self._last: Commit | None = None
        self._news: asyncio.Event | None = None  # while somebody waits
        self.through_us = 0
        """Where the durable pictures end."""

    def advance(self, commit: Commit) -> None:
        """One more fragment is durable."""
        self._last = commit
        if self._news is not None:
            self._news.set()
            self._news = None
        if commit.track == TRACK_ID:
            self.through_us = commit.end_wall_us

    async def reached(self, commit: Commit) -> None:
        """Wait until this fragment is durable, or a later one."""
        while (
            self._last is None or self._last.identity.run != commit.identity.run or _order(self._last) < _order(commit)
        ):
            if self._news is None:
                self._news = asyncio.Event()
            await self._news.wait()

    def state(self) -> dict[str, Any] | None:
        """What is announced of it; None before the first fragment."""
        if self._last is None:
            return None
        identity = self._last.identity
        return {
            "run": f"{identity.run:016x}",
            "epoch": identity.epoch,
            "sequence": identity.sequence,
            "fragment": self._last.fragment,
            "through_us": self.through_us,
        }


def _order(commit: Commit) -> tuple[int, int, int]:
    return commit.identity.epoch, commit.identity.sequence, commit.fragment
