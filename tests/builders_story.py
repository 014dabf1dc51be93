"""A camera and a recorder, to whose packets things happen: what was sent, and what of it was stored."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from media.commit import Commit
from media.errors import GapReason
from media.fmp4_read import fragment_samples
from media.reorder import ReorderBuffer
from media.rtp import RtpReceiver, write_header
from tests.builders_recorded import FRAME_TICKS, FRAME_US, Recorded
from tests.builders_recorder import Rig
from tests.builders_streams import AV1, H264, H265, Picture, Pictures

Packets = list[bytes]
Alter = Callable[[Packets], Packets]
NEAR = 6
"""Pictures beside one that something happened to: anchor and B-frames lie so far apart in the order of sending."""


@dataclass(frozen=True)
class Kept:
    """A picture out of the spool."""

    number: int
    units: list[bytes]
    commit: Commit
    shown_us: int
    init: bytes


class Story(Recorded):
    """A camera and a recorder, one thing after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.rig = Rig()
        self.kind = rng.choice([H264, H265, AV1])
        self.pictures = Pictures(self.kind, rng)
        self.udp, self.markers = rng.random() < 0.4, rng.random() < 0.8
        self.packet_bytes = rng.choice([60, 200, 1400])
        self.sent: dict[int, Picture] = {}
        self.sent_us: dict[int, int] = {}
        self.marked: set[int] = set()
        """Pictures that something happened to, or beside."""
        self.ssrc, self.sequence = 7, rng.randrange(1 << 16)
        self.late: list[tuple[int, bytes]] = []
        self._begin()

    def _begin(self) -> None:
        recorder = self.rig.recorder
        self.receiver = RtpReceiver(96, self.kind.depacketizer(recorder._on_unit))
        self.camera = self.rig.watch(self.receiver)
        self.reorder = ReorderBuffer(self.receiver) if self.udp else None
        self.ticks = self.rng.randrange(1 << 32) - self.pictures.shown * FRAME_TICKS
        self.marked.add(self.pictures.number)

    # --- what happens

    def play(self, count: int) -> None:
        """Intact."""
        self._send(count, list)

    def lose(self, count: int) -> None:
        """Some packets do not come."""
        self._send(count, lambda packets: [packet for packet in packets if self.rng.random() > 0.1])

    def lose_edges(self, count: int) -> None:
        """The first ones or the last ones."""
        cuts: list[Alter] = [list, list, lambda sent: sent[1:], lambda sent: sent[:-1], lambda sent: sent[1:-1]]
        for _ in range(count):
            self._send(1, self.rng.choice(cuts))

    def lose_pictures(self, count: int) -> None:
        """Whole ones."""
        self._send(min(count, 8), lambda _packets: [])

    def repeat(self, count: int) -> None:
        """Some packets come again, behind others."""
        recent: Packets = []

        def again(packets: Packets) -> Packets:
            out = []
            for packet in packets:
                recent.append(packet)
                out += [packet, self.rng.choice(recent)] if self.rng.random() < 0.1 else [packet]
                del recent[:-20]
            return out

        self._send(count, again, harmless=True)

    def delay(self, count: int) -> None:
        """Some packets come later; over UDP most of them in time."""

        def hold(packets: Packets) -> Packets:
            held = [packet for packet in packets if self.udp and self.rng.random() < 0.05]
            self.late += [(self.rig.clock.boot_us() + self.rng.choice([1, 2]) * FRAME_US, packet) for packet in held]
            return [packet for packet in packets if packet not in held]

        self._send(count, hold, harmless=True)

    def rename(self, count: int) -> None:
        """Another SSRC, other numbers; 0.4 s are held, and a session that ends before costs them."""
        self.ssrc += 1
        self.sequence += self.rng.choice([0, 1000, 40_000])
        self.marked.add(self.pictures.number)
        self.play(max(count, 16))

    def renumber(self, count: int) -> None:
        """Numbers go on elsewhere."""
        self.sequence += self.rng.choice([1, 100, 40_000, 65_000])
        self.marked.add(self.pictures.number)
        self.play(count)

    def resize(self, count: int) -> None:
        """Other parameter sets from the next sync sample on."""
        sets = self.kind.sets
        self.pictures.sets = sets[1] if self.pictures.sets == sets[0] else sets[0]
        self.play(count)

    def pause(self, count: int) -> None:
        """Nothing is sent between two groups of pictures."""
        for picture in self.pictures.finish_group():
            self._send_one(picture, list)
        for _ in range(self.rng.choice([10, 60, 120])):
            self.ticks += FRAME_TICKS
            self._pass_frame()
        self.play(count)

    def cut(self, count: int) -> None:
        """The session ends in the midst of a picture; another begins."""
        self._send(1, lambda packets: packets[: len(packets) // 2])
        self.camera.session.fail(GapReason.UNREACHABLE, "cut")
        recorder = self.rig.recorder
        recorder._watch = None
        recorder._end_span()
        recorder._failed(self.camera.session.failure.result())
        for _ in range(self.rng.choice([1, 25])):
            self._pass_frame()
        recorder._segmenter.start_session(segment_us=60_000_000)
        self.pictures.begin()
        self.late.clear()
        self._begin()
        self.play(count)

    def fill(self, count: int) -> None:
        """The disk does not keep up."""
        self.rig.spool.pending_bytes = 1 << 40
        self.play(count)
        self.rig.spool.pending_bytes = 0
        self._write()

    # --- how

    def _send(self, count: int, alter: Alter, *, harmless: bool = False) -> None:
        for _ in range(count):
            self._send_one(self.pictures.next(), alter, harmless=harmless)

    def _send_one(self, picture: Picture, alter: Alter, *, harmless: bool = False) -> None:
        self.sent[picture.number] = picture
        self.sent_us[picture.number] = self.rig.clock.wall_us()
        payloads = self.kind.packetize(picture.units, self.packet_bytes)
        ticks = self.ticks + picture.turn.shown * FRAME_TICKS
        packets = []
        for payload in payloads:
            marker = self.markers and payload is payloads[-1]
            packets.append(write_header(self.sequence, ticks, self.ssrc, 96, marker=marker) + payload)
            self.sequence += 1
        altered = alter(packets)
        if altered != packets and not harmless:
            self.marked.add(picture.number)
        for packet in altered:
            self._hear(packet)
        self._pass_frame()

    def _hear(self, packet: bytes) -> None:
        now_us = self.rig.clock.boot_us()
        self.camera.session.last_media_us = now_us
        if self.reorder is None:
            self.receiver.receive(packet, 0, len(packet))
        else:
            self.reorder.receive(packet, 0, len(packet), now_us)

    def _pass_frame(self) -> None:
        clock = self.rig.clock
        clock.advance(FRAME_US)
        due, self.late = self.late, []
        for at_us, packet in due:
            if at_us <= clock.boot_us():
                self._hear(packet)
            else:
                self.late.append((at_us, packet))
        if self.reorder is not None:
            self.reorder.expire(clock.boot_us())
        if clock.boot_us() // FRAME_US % 6 == 0:
            self.rig.tick()
            if self.rig.spool.pending_bytes < 1 << 39:
                self._write()

    def _write(self) -> None:
        for file in self.rig.spool.files:
            waiting, file.waiting = file.waiting, []
            for done in waiting:
                done(None)

    # --- the verdict

    def kept(self) -> list[Kept]:
        """What was stored, in the order of sending; each of one picture."""
        found = []
        self.rig.recorder.stop()
        self._write()
        owners = self.pictures.owners
        for file, scanned in zip(self.rig.spool.files, self.scans(), strict=True):
            for fragment in scanned.pictures:
                commit, at = fragment.commit, fragment.data_offset
                ticks, samples = fragment_samples(bytes(file.content[commit.offset : at - 8]))
                for sample in samples:
                    units = self.kind.split(bytes(file.content[at : at + sample.size_bytes]))
                    number = max(owners[unit] for unit in units if unit in owners)
                    shown = ticks + sample.composition_offset_ticks - commit.media_ticks
                    shown_us = commit.wall_us + shown * (commit.end_wall_us - commit.wall_us) // commit.duration_ticks
                    init = bytes(file.content[: scanned.fragments[0].commit.offset])
                    found.append(Kept(number, units, commit, shown_us, init))
                    at += sample.size_bytes
                    ticks += sample.duration_ticks
        return found

    def near(self, number: int) -> bool:
        """Whether something happened to a picture beside this one."""
        return any(abs(number - marked) <= NEAR for marked in self.marked)
