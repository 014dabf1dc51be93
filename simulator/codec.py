"""What differs from codec to codec in a simulated camera: the one seam for it.

A unit is what the codec strings together: a NAL unit without start code or length; of AV1, an OBU. `simulator.codecs`
has the table of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from media.access_unit import StreamParameters
    from simulator.encoder import Encoder, Setting
    from simulator.oracle import OracleMark


class FileHeader(NamedTuple):
    """What a file says about its samples, beside them."""

    units: list[bytes]
    """The parameters that it keeps there."""
    split: Callable[[bytes], list[bytes]]
    """The units of a sample. CodecError for one that is damaged."""


class Examined(NamedTuple):
    """What a sample says about itself, and what it is."""

    mark: OracleMark | None
    crc32: int


class Codec(Protocol):
    """How cameras of one codec make their access units, send and mark them."""

    @property
    def name(self) -> str:
        """As `--codec` has it: "h264"."""
        ...

    @property
    def libav(self) -> str:
        """What libav calls it."""
        ...

    @property
    def encoding(self) -> str:
        """What session descriptions call it, in capitals."""
        ...

    @property
    def reorders(self) -> bool:
        """Whether pictures can be sent in another order than they are shown."""
        ...

    @property
    def mark_bytes(self) -> int:
        """What the oracle's mark adds to an access unit, give or take an emulation prevention byte."""
        ...

    @property
    def live_cameras(self) -> int:
        """Up to this many are drawn and encoded live, at half a core at most while watched. More share loops."""
        ...

    def encoder(self, setting: Setting) -> Encoder:
        """One that codes such pictures, as a camera's chip does. Every sync sample carries the parameters."""
        ...

    def parameters(self, units: Sequence[bytes]) -> StreamParameters | None:
        """What a decoder must know, if it is among these units."""
        ...

    def is_parameters(self, unit: bytes) -> bool:
        """Whether a unit holds nothing else."""
        ...

    def is_sync(self, units: Sequence[bytes]) -> bool:
        """Whether an access unit can be decoded without earlier ones."""
        ...

    def fmtp(self, parameters: StreamParameters, *, described: bool) -> str:
        """The format parameters of the session description, with the stream's own if they are to be `described`."""
        ...

    def packetize(self, units: Sequence[bytes]) -> list[bytes]:
        """An access unit, or the beginning or the rest of one, as RTP payloads."""
        ...

    def receive(self, payloads: Sequence[bytes]) -> list[bytes]:
        """The units of a whole access unit's payloads: undoes `packetize`."""
        ...

    def filler(self, size: int) -> bytes:
        """A unit of so many bytes that means nothing and may stand behind the picture."""
        ...

    def split(self, sample: bytes) -> list[bytes]:
        """The units of a sample as Hulta's files hold it."""
        ...

    def open_header(self, header: bytes) -> FileHeader:
        """What any file's decoder configuration says; empty for a byte stream. CodecError for one that says nothing."""
        ...

    def mark_at(self, units: Sequence[bytes]) -> int:
        """Before which unit of an access unit the oracle's mark belongs."""
        ...

    def mark_payload(self, camera: UUID, number: int, sent_us: int, crc32: int) -> bytes:
        """The mark as an RTP payload of its own."""
        ...

    def checksum(self, units: Sequence[bytes]) -> int:
        """The CRC-32 of an access unit, its mark left out."""
        ...

    def examine(self, units: Sequence[bytes]) -> Examined:
        """The mark of an access unit, and its checksum."""
        ...
