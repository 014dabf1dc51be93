"""What a segmenter writes for, and what it writes into: the stream's identity, and the sink that takes the segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from media.commit import Commit
    from media.identity import SegmentIdentity
    from media.track import Track


class SegmentSink(Protocol):
    """Takes what the segmenter makes, in order. Must not block."""

    def open_segment(self, identity: SegmentIdentity, track: Track, init: bytes) -> None:
        """A new segment begins: its first fragment follows, which is of pictures."""
        ...

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        """One fragment of pictures or sound with its commit box, to be made durable."""
        ...

    def seal_segment(self, buffers: Sequence[bytes | bytearray], end_us: int) -> None:
        """The segment is complete."""
        ...

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """The camera sent nothing for so long from there on; a span that begins later follows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentity:
    """Who writes: a stream of a camera, in a run, under an epoch."""

    camera: UUID
    stream: UUID
    epoch: int
    run: int
