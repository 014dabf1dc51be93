"""The recording process's clock: UTC tied to the boot clock, so that a step of the wall clock is an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.host_anchor import HostAnchor

if TYPE_CHECKING:
    from storage.clock import Clock


class AnchoredClock:
    """A `Clock` whose wall time runs steadily; `observe` says when the host's wall clock stepped."""

    def __init__(self, host: Clock) -> None:
        self._host = host
        self._anchor = HostAnchor(host.boot_us(), host.wall_us())

    def wall_us(self) -> int:
        """UTC by the anchor."""
        return self._anchor.wall_us(self._host.boot_us())

    def boot_us(self) -> int:
        """The host's boot clock."""
        return self._host.boot_us()

    async def sleep(self, seconds: float) -> None:
        """Wait on the boot clock."""
        await self._host.sleep(seconds)

    def observe(self) -> int:
        """Follow the host's wall clock, about once a second; returns the step in microseconds if it stepped, else 0."""
        return self._anchor.observe(self._host.boot_us(), self._host.wall_us())
