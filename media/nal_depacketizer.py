"""RTP payloads of NAL units into access units: what H.264 (RFC 6184) and H.265 (RFC 7798) have in common.

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
from typing import TYPE_CHECKING, ClassVar

from media.access_unit import AccessUnit
from media.errors import CodecError
from media.nal import LENGTH_BYTES, START_CODE, most_small_nals, split_annex_b

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.nal_parameters import NalParameters

Buffer = bytes | bytearray | memoryview

MOST_CHANGES, UNITS_A_CHANGE = 64, 8
"""Of parameter sets: so many at once, then one for so many units. Others are left as they are in the stream. Real
streams change one or two sets in a group of pictures."""

LEARNED_PARTS = 10
"""To learn one takes as long as to take so many packets."""

MOST_BACK_TICKS = 900_000
"""No picture is shown 10 s before one that was sent earlier: there the clock went back."""

FU_START = 0x80
FU_END = 0x40

LENGTH = struct.Struct(">I")
NO_LENGTH = bytes(LENGTH_BYTES)


class NalDepacketizer:
    """Puts the access units of one stream together and hands each to `emit`. See the module for the rules.

    `parameters` are those of the session description, where it had some. Units are emitted from the first
    picture on, before any sync sample too: what can be recorded is the segmenter's decision.

    A codec's class has the hot path, `push`; what a payload may be, `_take_whole`; what a NAL unit tells, `_note_nal`.
    """

    __slots__ = (
        "_changed",
        "_changes",
        "_emit",
        "_fragment_head",
        "_fragment_kind",
        "_fragmented_at",
        "_has_picture",
        "_joining",
        "_kind_mask",
        "_latest",
        "_lost",
        "_marks",
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
        "_units",
        "parts",
        "unusable_sets",
    )

    _fragment: ClassVar[str]
    """What the codec calls a packet with a part of a NAL unit."""

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: NalParameters,
        *,
        max_unit_bytes: int = 8 << 20,
        fragment_kind: int,
        kind_mask: int,
        fragment_head: int,
    ) -> None:
        """A fragment is known by `fragment_kind`, its first byte under a mask; it begins with `fragment_head` bytes.

        The last of these has the marks of its start and end. All three are looked up for every packet that is not the
        middle of a NAL unit, and attributes of the class would take 40 ns each.
        """
        self._fragment_kind, self._kind_mask, self._fragment_head = fragment_kind, kind_mask, fragment_head
        self._emit = emit
        self._max_unit_bytes = max_unit_bytes
        self._parameters = parameters
        self._changed = True  # the current sets were not yet announced
        self.parts = 0
        """See `media.rtp.PayloadTaker`."""
        self.unusable_sets = 0
        """In-band parameter sets that could not be read, or were too many. They stay in their units."""
        self._units = self._changes = 0

        self._nals = bytearray()
        self._timestamp = self._latest = -1
        self._has_picture = False
        self._sync = False
        self._lost = 0
        self._torn = False  # a NAL unit of this unit was dropped
        self._marks = True  # the last unit that ended without a loss ended with a marker

        self._fragmented_at = -1  # where the length of the NAL unit in fragments belongs; -1 outside of one
        self._middle = -1  # two of the bytes that start each of its middle fragments
        self._resyncing = True  # fragments without a start are expected: at the beginning, and after a loss
        self._joining = True  # no picture has come yet
        self._skipping = False  # the unit was too large: nothing more of it is kept
        self._problem = ""

    @property
    def timestamp(self) -> int:
        """Of the unit that is put together or was last; negative before the first."""
        return self._timestamp

    @property
    def latest(self) -> int:
        """The latest instant so far; with B-frames not that of the unit that came last."""
        return self._latest

    def _take_whole(self, buffer: Buffer, start: int, end: int) -> None:
        """A payload that is neither empty nor a fragment."""
        raise NotImplementedError

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        """A whole NAL unit: kept behind its length, if it is one of the codec and there is room."""
        raise NotImplementedError

    def _start_fragments(self, buffer: Buffer, start: int) -> None:
        """The first fragment of a NAL unit: room for its length and its header, if it is one of the codec.

        Sets `_fragmented_at`, and `_middle` to what `push` knows its next fragments by.
        """
        raise NotImplementedError

    def _note_nal(self, at: int) -> None:
        """Learn from the NAL unit that was just completed at the end of the unit, behind its length."""
        raise NotImplementedError

    def _push_edge(  # noqa: PLR0917 - as `push`
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        if timestamp == self._timestamp:
            if lost:
                self._lose(lost)
        else:
            # The first comparison is for its price; where timestamps wrap, it may be wrong for one unit.
            if timestamp > self._latest or (self._latest - timestamp) & 0xFFFFFFFF >= MOST_BACK_TICKS:
                self._latest = timestamp
            if self._nals or self._torn or lost:
                self._turn(timestamp, lost)
            else:
                self._timestamp = timestamp
        if start < end and not self._skipping:  # an empty payload only carries its number and perhaps the marker
            if buffer[start] & self._kind_mask == self._fragment_kind:
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
                # This unit lacks at least the packet with its marker; the others may be the next one's. Where no
                # markers are sent, the only one that is missing may be either's.
                self._lost += 1
                lost -= lost > 1 or self._marks
            else:
                self._marks = False
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
            self._marks = True
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
        self._units += 1
        self._discard_unit()
        self._emit(unit)

    def _discard_unit(self) -> None:
        """Begin with an empty unit. The count of lost packets stays: it belongs to whichever unit comes next."""
        self._nals = bytearray()
        self._has_picture = self._sync = self._torn = self._skipping = False
        self._fragmented_at = self._middle = -1

    # --- NAL units that come whole

    def _take_aggregate(self, buffer: Buffer, position: int, end: int, name: str) -> None:
        """NAL units, each behind its 16-bit length."""
        most = left = most_small_nals(end - position)
        while position < end and not self._skipping:
            if not left:
                self._fault(f"{name} packet of more than {most} tiny NAL units")
                return
            left -= 1
            self.parts += 1
            start = position + 2
            position = start + int.from_bytes(buffer[position:start], "big")
            if position > end or position == start:
                self._fault(f"{name} packet whose NAL unit lengths do not fit it")
                return
            self._take_nal(buffer, start, position)

    def _take_byte_stream(self, payload: bytes) -> None:
        """A start code where a NAL unit should begin: V380 cameras send Annex B (quirk V4)."""
        try:
            nals = split_annex_b(payload, most_small_nals(len(payload)))
        except CodecError as error:
            self._fault(str(error))
        else:
            self._take_each(nals)

    # --- NAL units in fragments

    def _take_fragment(self, buffer: Buffer, start: int, end: int) -> None:
        """A part of a NAL unit. The reserved bit is ignored (quirk V9), an empty fragment accepted (V12)."""
        head = start + self._fragment_head
        if end < head:
            self._fault(f"{self._fragment} packet without its header")
            return
        header = buffer[head - 1]
        if header & FU_START:
            if self._fragmented_at >= 0:
                self._interrupt_fragments()
            self._start_fragments(buffer, start)
        elif self._fragmented_at < 0 and not self._resyncing:
            self._resyncing = True
            self._fault(f"{self._fragment} fragment without a start")
        if self._fragmented_at < 0:
            # The rest of something whose start was lost or unusable, or went by before we joined (V14).
            self._torn = True
            return
        # A type that changes between fragments is that of the first (quirk V10).
        if len(self._nals) + end - start > self._max_unit_bytes:
            self._refuse_unit()
            return
        self._nals += buffer[head:end]
        if header & FU_END:  # with the start bit too: a whole NAL unit in one fragment (V11)
            self._end_fragments()

    def _refuse_fragments(self, kind: int, codec: str) -> None:
        self._resyncing = True
        self._fault(f"fragments of a NAL unit of type {kind}, which is none of {codec}")

    def _end_fragments(self) -> None:
        at = self._fragmented_at
        # The length is known only now; it was left blank, so that the fragments could be appended as they came.
        LENGTH.pack_into(self._nals, at, len(self._nals) - at - LENGTH_BYTES)
        self._fragmented_at = self._middle = -1
        self._note_nal(at)

    def _interrupt_fragments(self) -> None:
        self._drop_fragments()
        self._fault("a fragmented NAL unit did not end before the next one")

    def _drop_fragments(self) -> None:
        """Forget the NAL unit of which only some fragments came, if there is one."""
        if self._fragmented_at >= 0:
            del self._nals[self._fragmented_at :]
            self._fragmented_at = self._middle = -1
            self._torn = True

    # --- what was learned

    def _join(self, first_bits_at: int) -> None:
        """The first slice of all. Its header begins with a bit that is 1 in the first one of a picture only.

        Any other means that the first slices went by before we joined; no sequence number tells.
        """
        self._joining = False
        self._torn |= self._nals[first_bits_at : first_bits_at + 1] < b"\x80"

    def _note_parameters(self, at: int) -> None:
        nal = bytes(self._nals[at + LENGTH_BYTES :])
        self.parts += 1
        if START_CODE in nal:
            # V380 cameras send SPS, PPS and IDR as one NAL unit with start codes inside (quirk V4).
            self._take_apart(at, nal)
            return
        earned = self._units // UNITS_A_CHANGE
        self._changes = max(self._changes, earned)
        if self._changes >= earned + MOST_CHANGES:
            self.unusable_sets += 1
            return
        try:
            updated = self._parameters.updated(nal)
        except CodecError:
            self.unusable_sets += 1
        else:
            if updated is self._parameters:
                return
            self._parameters = updated
            self._changed = True
        self._changes += 1
        self.parts += LEARNED_PARTS

    def _note_following(self) -> None:
        """A NAL unit that only ever follows a picture. If that was lost, this is no beginning of the next one."""
        if not self._has_picture and (self._lost or self._joining):
            self._torn = True

    def _take_apart(self, at: int, nal: bytes) -> None:
        """What start codes in it separate, in the place of the NAL unit that it came as."""
        try:
            nals = split_annex_b(START_CODE + nal, most_small_nals(len(nal)))
        except CodecError as error:
            self._fault(str(error))
        else:
            del self._nals[at:]
            self._take_each(nals)

    def _take_each(self, nals: list[bytes]) -> None:
        self.parts += len(nals)
        for nal in nals:
            self._take_nal(nal, 0, len(nal))

    def _refuse_unit(self) -> None:
        self._discard_unit()
        self._skipping = True
        self._fault(f"an access unit of more than {self._max_unit_bytes} bytes")

    def _fault(self, problem: str) -> None:
        """Note what is wrong with a packet: it is damage to this unit, and raised when the packet is done."""
        self._problem = problem
        self._lost += 1
        self._torn = True
