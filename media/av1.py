"""AV1 over RTP (AOM, RTP Payload Format For AV1, v1.0): payloads into temporal units.

The other direction is in `media.av1_packetize`. Hot path like `media.h264`: `Av1Depacketizer.push` does in its
first lines what the middle of an OBU in fragments needs, everything else goes through `_push_edge`.

How units are cut
  1. A unit ends with a packet that has the marker bit, or when the timestamp changes.
  2. It never ends without a frame header: what came before belongs to the frame that follows.
  3. Temporal delimiters and tile lists are left out (5). Every other OBU is kept, its content bit-exact, its size put
     in before it as files want it: the one that is not needed to say how long it is, and in as few bytes as it takes.

What loss does
  4. Before a unit's first frame: the OBU with a packet missing is dropped, the others stay (it may have been metadata;
     the frame that follows has its own header, so a decoder can go on). The unit carries the number of lost packets.
  5. After its first frame began: the unit is dropped, its count moves on to the next one. A frame that lacks a tile
     group is an error to decoders, and a browser stops for good at the first one.
  6. Where the loss may as well lie between two units, the first one stays and carries one: cameras without markers
     would lose a whole frame otherwise. It is not called a sync sample, because it may lack its end; decoders leave
     out a frame without its end silently.
  7. A malformed packet counts as lost. `push` takes everything usable from it, then raises `CodecError`; the next call
     goes on as if nothing had happened.

Frames that refer to a lost one are kept, as in H.264: most of their picture is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.access_unit import AccessUnit
from media.av1_obu import (
    FORBIDDEN_BIT,
    FRAME,
    FRAME_HEADER,
    HAS_SIZE,
    SEQUENCE_HEADER,
    TEMPORAL_DELIMITER,
    TILE_GROUP,
    TILE_LIST,
    leb128,
    obu_type,
    read_leb128,
    split_obus,
)
from media.av1_packetize import CONTINUES, COUNT_MASK, COUNT_SHIFT, UNFINISHED, packetize
from media.av1_sequence import SequenceHeader, parse_sequence_header
from media.errors import CodecError

__all__ = ["Av1Depacketizer", "packetize", "split_obus"]

if TYPE_CHECKING:
    from collections.abc import Callable

Buffer = bytes | bytearray | memoryview

MOST_OBUS = 32
"""Of one packet: what tiny OBUs may cost, at 2 bytes and over a microsecond each. A frame has 1 to 8, and metadata."""

_MIDDLE = CONTINUES | UNFINISHED | 1 << COUNT_SHIFT
"""The aggregation header of a packet with one middle fragment."""

# The first bits of a frame header (AV1 5.9.2): show_existing_frame, two of frame_type, show_frame.
_FIRST_FRAME_BITS = 0xF0
_SHOWN_KEY_FRAME = 0x10

_FRAME_TYPES = frozenset({FRAME, FRAME_HEADER, TILE_GROUP})


class Av1Depacketizer:
    """Puts the temporal units of one stream together and hands each to `emit`. See the module for the rules.

    Units are emitted from the first frame on, before any sync sample too: what can be recorded is the segmenter's
    decision. A sync sample has a sequence header before its first frame, and that is a key frame and shown.
    """

    __slots__ = (
        "_changed",
        "_emit",
        "_fragmented_at",
        "_has_frame",
        "_has_sequence",
        "_headless",
        "_lost",
        "_marks",
        "_max_unit_bytes",
        "_middle",
        "_obus",
        "_problem",
        "_resyncing",
        "_sequence",
        "_skipping",
        "_sync",
        "_timestamp",
        "_torn",
        "parts",
        "unusable_sets",
    )

    def __init__(self, emit: Callable[[AccessUnit], None], *, max_unit_bytes: int = 8 << 20) -> None:
        self._emit = emit
        self._max_unit_bytes = max_unit_bytes
        self._sequence: SequenceHeader | None = None
        self._changed = False  # there is a sequence header that was not yet announced
        self.parts = 0
        """See `media.rtp.PayloadTaker`."""
        self.unusable_sets = 0
        """Sequence headers that could not be read. They stay in their units."""

        self._obus = bytearray()
        self._timestamp = -1
        self._has_sequence = False  # before the first frame
        self._has_frame = False
        self._sync = False
        self._lost = 0
        self._torn = False  # an OBU of this unit was dropped
        self._marks = True  # the last unit that ended without a loss ended with a marker

        self._fragmented_at = -1  # where the OBU in fragments begins; -1 outside of one
        self._middle = -1  # the aggregation header of packets that only go on with it
        self._resyncing = True  # fragments without a start are expected: at the beginning, and after a loss
        self._headless = True  # the unit's beginning may have gone by: at the beginning, and after a loss before it
        self._skipping = False  # the unit is dropped: nothing more of it is kept
        self._problem = ""

    @property
    def timestamp(self) -> int:
        """Of the unit that is put together or was last; negative before the first."""
        return self._timestamp

    @property
    def latest(self) -> int:
        """The same: temporal units are sent in the order they are shown."""
        return self._timestamp

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`, in place; emits none, one or two units.

        `lost` is the number of packets missing before this one. `CodecError` when the packet is malformed: it
        is counted in its unit's `lost_packets` by then, and the stream goes on with the next packet.
        """
        if timestamp == self._timestamp and not marker and not lost and start < end:
            obus = self._obus
            if buffer[start] == self._middle and len(obus) < self._max_unit_bytes:
                obus += buffer[start + 1 : end]
                return
        self._push_edge(buffer, start, end, timestamp, marker, lost)

    def _push_edge(  # noqa: PLR0917 - as `push`
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        if timestamp == self._timestamp:
            if lost:
                self._lose(lost)
        elif self._obus or self._torn or lost or self._fragmented_at >= 0:
            self._turn(timestamp, lost)
        else:
            self._timestamp = timestamp
        if start < end and not self._skipping:  # an empty payload only carries its number and perhaps the marker
            self._take_packet(buffer, start, end)
        if marker:
            self._end_by_marker()
        if self._problem:
            problem, self._problem = self._problem, ""
            raise CodecError(problem)

    # --- the borders of a unit

    def _turn(self, timestamp: int, lost: int) -> None:
        """Another instant begins."""
        if self._fragmented_at >= 0:
            self._drop_fragments()
            if not lost:
                self._fault("a fragmented OBU did not end before the timestamp changed")
        headless = lost > 0
        if lost:
            self._resyncing = True
        if self._has_frame:
            if lost:
                # This unit lacks at least the packet with its marker; the others may be the next one's. Where no
                # markers are sent, the only one that is missing may be either's.
                self._lost += 1
                lost -= lost > 1 or self._marks
                self._sync = False
            else:
                self._marks = False
            self._finish_unit()
        elif lost or self._torn or self._headless:
            self._discard_unit()
        self._headless = headless
        self._lost += lost
        self._timestamp = timestamp

    def _lose(self, lost: int) -> None:
        """Packets inside this unit are missing."""
        self._drop_fragments()
        self._lost += lost
        self._torn = self._resyncing = True
        if self._has_frame:
            self._skip_unit()

    def _end_by_marker(self) -> None:
        if self._fragmented_at >= 0:
            self._drop_fragments()
            self._fault("a marker inside a fragmented OBU")
        if self._has_frame:
            self._marks = True
            self._finish_unit()
        elif self._torn or self._headless:
            self._discard_unit()

    def _finish_unit(self) -> None:
        unit = AccessUnit(
            nals=self._obus,
            rtp_timestamp=self._timestamp,
            sync=self._sync,
            lost_packets=self._lost or int(self._torn),
            parameters=self._sequence if self._changed else None,
        )
        self._changed = False
        self._lost = 0
        self._discard_unit()
        self._emit(unit)

    def _discard_unit(self) -> None:
        """Begin with an empty unit. The count of lost packets stays: it belongs to whichever unit comes next."""
        self._obus = bytearray()
        self._has_sequence = self._has_frame = self._sync = self._torn = self._skipping = self._headless = False
        self._fragmented_at = self._middle = -1

    def _skip_unit(self) -> None:
        """Drop this unit, with all of it that is still to come."""
        self._discard_unit()
        self._skipping = self._torn = True

    # --- the elements of a packet

    def _take_packet(self, buffer: Buffer, start: int, end: int) -> None:
        """OBUs and fragments of OBUs behind their aggregation header (4.4). N says nothing that they do not say."""
        header = buffer[start]
        continues = header & CONTINUES != 0
        if continues and self._fragmented_at < 0:
            self._miss_start()
        elif not continues and self._fragmented_at >= 0:
            self._drop_fragments()
            self._fault("a fragmented OBU did not end before the next one")
        bounds, problem = _elements(buffer, start + 1, end, header >> COUNT_SHIFT & COUNT_MASK)
        self.parts += len(bounds)
        last = len(bounds) if header & UNFINISHED and not problem else 0
        for number, (begin, stop) in enumerate(bounds, 1):
            if self._skipping:
                break
            if len(self._obus) + stop - begin > self._max_unit_bytes:
                self._refuse_unit()
            elif number > 1 or not continues:
                self._take_element(buffer[begin:stop], whole=number != last)
            elif self._fragmented_at >= 0:
                self._obus += buffer[begin:stop]
                if number != last:
                    self._end_fragments()
        if problem:
            self._lose(0)
            self._fault(problem)

    def _miss_start(self) -> None:
        """The rest of an OBU whose start was lost or unusable, or went by before we joined."""
        if not self._resyncing:
            self._resyncing = True
            self._fault("a fragment of an OBU without its start")
        self._torn = True
        if self._has_frame:
            self._skip_unit()

    def _take_element(self, element: Buffer, *, whole: bool) -> None:
        self._resyncing = False
        at = len(self._obus)
        self._obus += element
        if whole:
            self._end_obu(at)
        else:
            self._fragmented_at = at
            self._middle = _MIDDLE

    def _end_fragments(self) -> None:
        at = self._fragmented_at
        self._fragmented_at = self._middle = -1
        self._end_obu(at)

    def _drop_fragments(self) -> None:
        """Forget the OBU of which only some fragments came, if there is one; with its unit if it was of a frame."""
        at = self._fragmented_at
        if at < 0:
            return
        if at == len(self._obus) or obu_type(self._obus[at]) in _FRAME_TYPES:
            self._skip_unit()
        else:
            del self._obus[at:]
            self._fragmented_at = self._middle = -1
            self._torn = True

    # --- OBUs that are whole

    def _end_obu(self, at: int) -> None:
        """The last element is whole: put in its size, and learn from it."""
        obus = self._obus
        header = obus[at] if at < len(obus) else FORBIDDEN_BIT
        body = at + 1 + (header >> 2 & 1)
        if header & FORBIDDEN_BIT or body > len(obus):
            self._fault(f"an element that starts with {bytes(obus[at : at + 1]).hex() or 'nothing'}, which is no OBU")
            del obus[at:]
        elif header & HAS_SIZE:
            self._take_sized(at)
        else:
            size = leb128(len(obus) - body)
            obus[at] = header | HAS_SIZE
            obus[body:body] = size
            self._note_obu(at, obu_type(header), body + len(size))

    def _take_sized(self, at: int) -> None:
        """An element that brings its size, as it should not (4.5): then it may even be several OBUs."""
        element = self._obus[at:]
        del self._obus[at:]
        try:
            obus = split_obus(element, most=MOST_OBUS)
        except CodecError as error:
            self._lose(0)  # whatever it was
            self._fault(str(error))
            return
        self.parts += len(obus)
        for obu in obus:
            self._take_element(obu, whole=True)

    def _note_obu(self, at: int, kind: int, content_at: int) -> None:
        """Learn from the OBU that was just completed at the end of the unit."""
        if kind in {FRAME, FRAME_HEADER}:
            if not self._has_frame:
                self._has_frame = True
                self._sync = self._has_sequence and self._is_key(content_at)
        elif kind == SEQUENCE_HEADER:
            self._headless &= at > 0  # with it a unit begins
            self._note_sequence(bytes(self._obus[content_at:]))
        elif kind in {TEMPORAL_DELIMITER, TILE_LIST}:
            del self._obus[at:]
        elif kind == TILE_GROUP and not self._has_frame:
            del self._obus[at:]
            if not (self._torn or self._headless):
                self._fault("a tile group without its frame header")
            self._torn = True

    def _is_key(self, content_at: int) -> bool:
        assert self._sequence is not None
        first = self._obus[content_at : content_at + 1]
        return self._sequence.reduced or (bool(first) and first[0] & _FIRST_FRAME_BITS == _SHOWN_KEY_FRAME)

    def _note_sequence(self, content: bytes) -> None:
        if self._sequence is None or content != self._sequence.content:
            try:
                self._sequence = parse_sequence_header(content)
            except CodecError:
                self.unusable_sets += 1
                return
            self._changed = True
        if not self._has_frame:
            self._has_sequence = True

    def _refuse_unit(self) -> None:
        self._skip_unit()
        self._fault(f"a temporal unit of more than {self._max_unit_bytes} bytes")

    def _fault(self, problem: str) -> None:
        """Note what is wrong with a packet: it is damage to this unit, and raised when the packet is done."""
        self._problem = problem
        self._lost += 1
        self._torn = True


def _elements(buffer: Buffer, start: int, end: int, count: int) -> tuple[list[tuple[int, int]], str]:
    """Where each element of a packet begins and ends (4.4, 4.5), and what was wrong with the rest.

    `count` is W: so many elements, of which the last has no length; or 0, and each of them has one.
    """
    bounds: list[tuple[int, int]] = []
    while len(bounds) + 1 < count or (not count and start < end):
        if len(bounds) == MOST_OBUS:
            return bounds, f"more than {MOST_OBUS} OBU elements in one packet"
        try:
            length, start = read_leb128(buffer, start, end)
        except CodecError as error:
            return bounds, str(error)
        if start + length > end:
            return bounds, f"an OBU element that reaches {start + length - end} bytes past its packet"
        bounds.append((start, start + length))
        start += length
    if count:
        bounds.append((start, end))
    return bounds, ""
