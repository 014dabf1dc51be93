"""Frames that know their number, as a camera sends them, and what of them a recorder put into its spool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from media.errors import GapReason
from media.fmp4_read import fragment_samples, scan
from media.h264 import packetize, split_length_prefixed
from media.rtp import write_header
from storage.coverage import Interval
from tests.builders_h264 import PPS, SPS, frame

FRAME_US = 40_000
FRAME_TICKS = 3600
_NO_ZEROS = 0x5A5A5A5A
"""A number in a picture must not look like a start code."""


@dataclass(frozen=True)
class Stored:
    """One access unit out of the spool."""

    nals: tuple[bytes, ...]
    shown_us: int
    duration_ticks: int
    span: int

    @property
    def number(self) -> int:
        """The frame's number, of a unit that `Footage` made."""
        return int.from_bytes(self.nals[-1][2:6], "big") ^ _NO_ZEROS


def numbers(stored: list[Stored]) -> list[int]:
    """Which frames they are."""
    return [unit.number for unit in stored]


def nals_of(stored: list[Stored]) -> list[list[bytes]]:
    """The NAL units of each unit."""
    return [list(unit.nals) for unit in stored]


class Footage:
    """The packets of a camera: frames that know their number, and every lie a test wants to tell."""

    def __init__(self, *, packet_bytes: int = 400) -> None:
        self.ssrc, self.sequence, self.ticks = 7, 65_000, 0xFFFF_0000
        self.channel, self.payload_type = 0, 96
        self.sets: tuple[bytes, ...] = (SPS, PPS)
        self.number = 0
        self.gop = 25
        self.packet_bytes, self.picture_bytes = packet_bytes, 1000

    def nals(self) -> list[bytes]:
        """The NAL units of the next frame."""
        sync = self.number % self.gop == 0
        number = (self.number ^ _NO_ZEROS).to_bytes(4, "big")
        filling = bytes([0x40 + self.number % 59])  # another in each: one that never changes is a condition
        body = b"\x88" + number + filling * (self.picture_bytes * (5 if sync else 1))
        return [*self.sets, b"\x65" + body] if sync else [b"\x41" + body]

    def packets(self) -> list[bytes]:
        """The packets of the next frame, as interleaved frames; the clocks move on to the one after it."""
        payloads = packetize(self.nals(), self.packet_bytes)
        sent = [self.packet(payload, marker=payload is payloads[-1]) for payload in payloads]
        self.next_frame()
        return sent

    def packet(self, payload: bytes, *, marker: bool = False) -> bytes:
        """A payload of the present frame as an interleaved frame."""
        header = write_header(self.sequence, self.ticks, self.ssrc, self.payload_type, marker=marker)
        self.sequence += 1
        return frame(self.channel, header + payload)

    def next_frame(self) -> None:
        """What comes now is of the next instant."""
        self.number += 1
        self.ticks += FRAME_TICKS


class Recorded:
    """The spool of a rig. `record` ends the recording and gives back what is in it."""

    rig: Any

    def record(self) -> list[Stored]:
        """End the session; every unit in the spool, in the order of the files. All that is written is durable."""
        self.rig.recorder.stop()
        for file in self.rig.spool.files:
            for done in file.waiting:
                done(None)
        return list(self._stored())

    def footage(self) -> list[Interval]:
        """Where there is footage."""
        fragments = [fragment for found in self.scans() for fragment in found.pictures]
        return [Interval(fragment.commit.wall_us, fragment.commit.end_wall_us) for fragment in fragments]

    def damage(self) -> int:
        """Lost packets, as the commits declare them."""
        return sum(fragment.commit.lost_packets for found in self.scans() for fragment in found.fragments)

    def fragments(self) -> int:
        """How many were stored."""
        return sum(len(found.fragments) for found in self.scans())

    def gap_reasons(self) -> list[GapReason]:
        """Of all gaps that are declared, the one after the end included."""
        return [gap.reason for gap in self.rig.ledger(self.footage()).gaps]

    def clock_quality(self) -> list[int]:
        """Of each fragment."""
        return [fragment.commit.clock_quality for found in self.scans() for fragment in found.fragments]

    def scans(self) -> list[Any]:
        """What is in each file."""
        contents = [bytes(file.content) for file in self.rig.spool.files if not file.abandoned]
        return [scan(lambda at, n, c=content: c[at : at + n], len(content), verify=True) for content in contents]  # type: ignore[misc]

    def _stored(self) -> Iterator[Stored]:
        for file, found in zip(self.rig.spool.files, self.scans(), strict=True):
            assert not found.torn
            assert not found.faults
            for fragment in found.pictures:
                commit, at = fragment.commit, fragment.data_offset
                ticks, samples = fragment_samples(bytes(file.content[commit.offset : fragment.data_offset - 8]))
                for sample in samples:
                    nals = split_length_prefixed(bytes(file.content[at : at + sample.size_bytes]))
                    shown = ticks + sample.composition_offset_ticks - commit.media_ticks
                    length_us = commit.end_wall_us - commit.wall_us
                    yield Stored(
                        nals=tuple(nals),
                        shown_us=commit.wall_us + shown * length_us // commit.duration_ticks,
                        duration_ticks=sample.duration_ticks,
                        span=commit.span,
                    )
                    at += sample.size_bytes
                    ticks += sample.duration_ticks
