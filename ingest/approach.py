"""How a camera is reached: its URL, the networks it may live in, and what its packets travel on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.url import CameraUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """What a session depends on. A change of it needs another session."""

    url: CameraUrl
    networks: Sequence[str] = ()
    """Those that the camera may live in, and nothing outside of them is ever spoken to; empty for the default rule."""
