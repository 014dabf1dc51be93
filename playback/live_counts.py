"""What viewers of live pictures met since the process began: for whoever looks after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Door(StrEnum):
    """How pictures leave."""

    WEBSOCKET = "websocket"
    WEBRTC = "webrtc"


def _none() -> dict[Door, int]:
    return dict.fromkeys(Door, 0)


@dataclass(slots=True)
class LiveCounts:
    """By door, but for those who were not let in."""

    viewers: dict[Door, int] = field(default_factory=_none)
    """How many watch now."""
    skips: dict[Door, int] = field(default_factory=_none)
    """Times that a viewer was too slow and went on at a newer sync sample, without what lay between."""
    cut: dict[Door, int] = field(default_factory=_none)
    """Viewers that were closed because they stayed too slow."""
    refused: int = 0
    """Viewers that were one too many."""
