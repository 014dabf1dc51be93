"""What H.264 and H.265 have in common in their parameter sets, for whoever puts the units of either together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from media.track import Track


class NalParameters(Protocol):
    """The parameter sets of a stream, as they are known by now."""

    @property
    def complete(self) -> bool:
        """Whether a decoder could start with these."""
        ...

    def updated(self, nal: bytes) -> Self:
        """With one set put in the place of its id; the same when nothing changes. CodecError for a useless one."""
        ...

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file."""
        ...
