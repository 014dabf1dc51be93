"""H.264 over RTP (RFC 6184): payloads into access units. The other direction is in `media.h264_packetize`.

Hot path, third and last part: `H264Depacketizer.push` does in its first lines what four packets of five need, the
middle of a fragmented NAL unit; everything else goes through `_push_edge`. That is 150 ns less of 1200 for the mean
packet of a 4 Mbit/s camera (benchmarks/kernel.py).

How units are cut
  1. A unit ends with a packet that has the marker bit, or when the timestamp changes.
  2. It never ends without a picture (a VCL NAL unit): cameras set the marker on parameter sets, or give them
     another timestamp than their picture. Such NAL units belong to the picture that follows (quirks V1 V2 V3).
  3. Its timestamp is that of its picture.

What loss does
  4. A NAL unit with a packet missing is dropped, the others stay. The unit carries the number of lost packets.
  5. A unit that lost its whole picture is dropped; its count moves on to the next unit.
  6. A malformed packet counts as lost. `push` takes everything usable from it, then raises `CodecError`;
     the next call goes on as if nothing had happened.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media.access_unit import AccessUnit
from media.errors import CodecError
from media.h264_packetize import FU_A, FU_END, FU_START, STAP_A, packetize
from media.h264_parameters import ParameterSets
from media.nal import (
    FORBIDDEN_BIT,
    IDR_SLICE,
    LENGTH_BYTES,
    NRI_MASK,
    PPS,
    SLICE,
    SPS,
    START_CODE,
    TYPE_MASK,
    split_annex_b,
    split_length_prefixed,
)

__all__ = ["H264Depacketizer", "packetize", "split_annex_b", "split_length_prefixed"]

if TYPE_CHECKING:
    from collections.abc import Callable

Buffer = bytes | bytearray | memoryview

# RFC 6184 table 1. Interleaved mode (packetization-mode=2) needs them; no camera is known to use it.
_REFUSED = {25: "STAP-B", 26: "MTAP16", 27: "MTAP24", 29: "FU-B"}

_LENGTH = struct.Struct(">I")
_NO_LENGTH = bytes(LENGTH_BYTES)
_KIND_MASK = FORBIDDEN_BIT | TYPE_MASK


class H264Depacketizer:
    """Puts the access units of one stream together and hands each to `emit`. See the module for the rules.

    `parameters` are those of the session description, where it had some. Units are emitted from the first
    picture on, before any sync sample too: what can be recorded is the segmenter's decision.
    """

    __slots__ = (
        "_changed",
        "_emit",
        "_fragmented_at",
        "_has_picture",
        "_joining",
        "_lost",
        "_max_unit_bytes",
        "_middle",
        "_nals",
        "_parameters",
        "_problem",
        "_resyncing",
        "_skipping",
        "_sync",
        "_timestamp",
        "_torn",
        "unusable_sets",
    )

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: ParameterSets | None = None,
        *,
        max_unit_bytes: int = 8 << 20,
    ) -> None:
        self._emit = emit
        self._max_unit_bytes = max_unit_bytes
        self._parameters = parameters or ParameterSets()
        self._changed = True  # the current sets were not yet announced
        self.unusable_sets = 0
        """In-band parameter sets that could not be read. They stay in their units."""

        self._nals = bytearray()
        self._timestamp = -1
        self._has_picture = False
        self._sync = False
        self._lost = 0
        self._torn = False  # a NAL unit of this unit was dropped

        self._fragmented_at = -1  # where the length of the NAL unit in fragments belongs; -1 outside of one
        self._middle = -1  # the two bytes that start each of its middle fragments
        self._resyncing = True  # fragments without a start are expected: at the beginning, and after a loss
        self._joining = True  # no picture has come yet
        self._skipping = False  # the unit was too large: nothing more of it is kept
        self._problem = ""

    @property
    def timestamp(self) -> int:
        """Of the unit that is put together or was last; negative before the first."""
        return self._timestamp

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`, in place; emits none, one or two units.

        `lost` is the number of packets missing before this one. `CodecError` when the packet is malformed: it
        is counted in its unit's `lost_packets` by then, and the stream goes on with the next packet.
        """
        if timestamp == self._timestamp and not marker and not lost and end - start > 2:
            nals = self._nals
            # Both bytes in one comparison. The slice is a copy more, yet 110 ns cheaper than a memoryview made for
            # each packet; appending is less than half the price of filling a buffer made in advance (150 : 330 ns).
            if buffer[start] << 8 | buffer[start + 1] == self._middle and len(nals) < self._max_unit_bytes:
                nals += buffer[start + 2 : end]
                return
        self._push_edge(buffer, start, end, timestamp, marker, lost)

    def _push_edge(  # noqa: PLR0917 - as `push`
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        if timestamp == self._timestamp:
            if lost:
                self._lose(lost)
        elif self._nals or self._torn or lost:
            self._turn(timestamp, lost)
        else:
            self._timestamp = timestamp
        if start < end and not self._skipping:  # an empty payload only carries its number and perhaps the marker
            if buffer[start] & _KIND_MASK == FU_A:
                self._take_fragment(buffer, start, end)
            else:
                self._take_whole(buffer, start, end)
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
                self._fault("a fragmented NAL unit did not end before the timestamp changed")
        if lost:
            self._resyncing = True
        if self._has_picture:
            if lost:
                # This unit lacks at least the packet with its marker; the others may be the next one's.
                self._lost += 1
                lost -= 1
            self._finish_unit()
        elif lost or self._torn:
            self._discard_unit()
        self._lost += lost
        self._timestamp = timestamp

    def _lose(self, lost: int) -> None:
        """Packets inside this unit are missing."""
        self._drop_fragments()
        self._lost += lost
        self._torn = self._resyncing = True

    def _end_by_marker(self) -> None:
        if self._fragmented_at >= 0:
            self._drop_fragments()
            self._fault("a marker inside a fragmented NAL unit")
        if self._has_picture:
            self._finish_unit()
        elif self._torn:
            self._discard_unit()

    def _finish_unit(self) -> None:
        announce = self._changed and self._parameters.complete
        unit = AccessUnit(
            nals=self._nals,
            rtp_timestamp=self._timestamp,
            sync=self._sync,
            lost_packets=self._lost or int(self._torn),
            parameters=self._parameters if announce else None,
        )
        if announce:
            self._changed = False
        self._lost = 0
        self._discard_unit()
        self._emit(unit)

    def _discard_unit(self) -> None:
        """Begin with an empty unit. The count of lost packets stays: it belongs to whichever unit comes next."""
        self._nals = bytearray()
        self._has_picture = self._sync = self._torn = self._skipping = False
        self._fragmented_at = self._middle = -1

    # --- NAL units that come whole

    def _take_whole(self, buffer: Buffer, start: int, end: int) -> None:
        """One NAL unit, or several in one packet, by the first byte (RFC 6184 5.2)."""
        if self._fragmented_at >= 0:
            self._drop_fragments()
            self._fault("a fragmented NAL unit did not end before the next one")
        kind = buffer[start] & _KIND_MASK
        if kind == STAP_A:
            self._take_aggregate(buffer, start + 1, end)
        elif kind == 0:
            self._take_byte_stream(bytes(buffer[start:end]))
        elif kind in _REFUSED:
            self._fault(f"packetization {_REFUSED[kind]} is not supported (RFC 6184 type {kind})")
        else:
            self._take_nal(buffer, start, end)

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        kind = buffer[start] & _KIND_MASK
        at = len(self._nals)
        if not 1 <= kind < STAP_A:
            self._fault(f"a NAL unit that starts with {buffer[start]:#04x}, which is no type of H.264")
        elif at + end - start > self._max_unit_bytes:
            self._refuse_unit()
        else:
            self._resyncing = False
            self._nals += _LENGTH.pack(end - start)
            self._nals += buffer[start:end]
            self._note_nal(at, kind)

    def _take_aggregate(self, buffer: Buffer, position: int, end: int) -> None:
        """STAP-A: NAL units, each behind its 16-bit length (RFC 6184 5.7.1)."""
        while position < end and not self._skipping:
            start = position + 2
            position = start + int.from_bytes(buffer[position:start], "big")
            if position > end or position == start:
                self._fault("a STAP-A packet whose NAL unit lengths do not fit it")
                return
            self._take_nal(buffer, start, position)

    def _take_byte_stream(self, payload: bytes) -> None:
        """A payload of type 0 is an error, unless it is a start code: V380 cameras send Annex B (quirk V4)."""
        if not payload.startswith((START_CODE, b"\x00" + START_CODE)):
            self._fault("a NAL unit of the reserved type 0")
            return
        for nal in split_annex_b(payload):
            self._take_nal(nal, 0, len(nal))

    # --- NAL units in fragments

    def _take_fragment(self, buffer: Buffer, start: int, end: int) -> None:
        """FU-A (RFC 6184 5.8). The reserved bit is ignored (quirk V9), an empty fragment accepted (V12)."""
        if end - start < 2:
            self._fault("a FU-A packet without its header")
            return
        header = buffer[start + 1]
        if header & FU_START:
            self._start_fragments(buffer[start], header & TYPE_MASK)
        elif self._fragmented_at < 0 and not self._resyncing:
            self._resyncing = True
            self._fault("a FU-A fragment without a start")
        if self._fragmented_at < 0:
            # The rest of something whose start was lost or unusable, or went by before we joined (V14).
            self._torn = True
            return
        # A type that changes between fragments is that of the first (quirk V10).
        if len(self._nals) + end - start > self._max_unit_bytes:
            self._refuse_unit()
            return
        self._nals += buffer[start + 2 : end]
        if header & FU_END:  # with the start bit too: a whole NAL unit in one fragment (V11)
            self._end_fragments()

    def _start_fragments(self, indicator: int, kind: int) -> None:
        if self._fragmented_at >= 0:
            self._drop_fragments()
            self._fault("a fragmented NAL unit did not end before the next one")
        if not 1 <= kind < STAP_A:
            self._resyncing = True
            self._fault(f"fragments of a NAL unit of type {kind}, which is none of H.264")
            return
        self._resyncing = False
        self._fragmented_at = len(self._nals)
        self._middle = indicator << 8 | kind
        self._nals += _NO_LENGTH
        self._nals.append(indicator & NRI_MASK | kind)

    def _end_fragments(self) -> None:
        at = self._fragmented_at
        # The length is known only now; it was left blank, so that the fragments could be appended as they came.
        _LENGTH.pack_into(self._nals, at, len(self._nals) - at - LENGTH_BYTES)
        self._fragmented_at = self._middle = -1
        self._note_nal(at, self._nals[at + LENGTH_BYTES] & TYPE_MASK)

    def _drop_fragments(self) -> None:
        """Forget the NAL unit of which only some fragments came, if there is one."""
        if self._fragmented_at >= 0:
            del self._nals[self._fragmented_at :]
            self._fragmented_at = self._middle = -1
            self._torn = True

    # --- what was learned

    def _note_nal(self, at: int, kind: int) -> None:
        """Learn from the NAL unit that was just completed at the end of the unit."""
        if SLICE <= kind <= IDR_SLICE:
            self._has_picture = True
            if kind == IDR_SLICE:
                self._sync = True
            if self._joining:
                # first_mb_in_slice (7.3.3) is 0 in a picture's first slice, which is one bit: 1. Any other means that
                # the first slices went by before we joined; no sequence number tells.
                self._joining = False
                self._torn |= self._nals[at + 5 : at + 6] < b"\x80"
        elif kind in (SPS, PPS):
            self._note_parameters(at)

    def _note_parameters(self, at: int) -> None:
        nal = bytes(self._nals[at + LENGTH_BYTES :])
        if START_CODE in nal:
            # V380 cameras send SPS, PPS and IDR as one NAL unit with start codes inside (quirk V4).
            del self._nals[at:]
            for part in split_annex_b(START_CODE + nal):
                self._take_nal(part, 0, len(part))
            return
        try:
            updated = self._parameters.updated(nal)
        except CodecError:
            self.unusable_sets += 1
            return
        if updated is not self._parameters:
            self._parameters = updated
            self._changed = True

    def _refuse_unit(self) -> None:
        self._discard_unit()
        self._skipping = True
        self._fault(f"an access unit of more than {self._max_unit_bytes} bytes")

    def _fault(self, problem: str) -> None:
        """Note what is wrong with a packet: it is damage to this unit, and raised when the packet is done."""
        self._problem = problem
        self._lost += 1
        self._torn = True
