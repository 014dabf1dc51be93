"""The live socket: a recorder's units reach those who watch, and nothing they do reaches the recorder."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from unittest.mock import AsyncMock, Mock, patch
from uuid import UUID

import pytest

from ingest import live_door, recorder
from ingest.live_door import STALLED_US, LiveDoor
from media.commit import COMMIT_BOX_BYTES
from media.errors import GapReason
from media.h264 import H264Depacketizer
from media.live_wire import HEADER, LiveEnd, LiveUnit, read_header, read_message, request
from media.rtp import RtpReceiver
from media.track import Track
from storage.clock import FakeClock
from tests.builders_recorder import STREAM, Rig
from tests.waiting import eventually


class Watching:
    """A subscriber."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def next(self) -> Track | LiveUnit | LiveEnd | None:
        """The next message; EOFError if there is none."""
        async with asyncio.timeout(10):
            length, kind = read_header(await self.reader.readexactly(HEADER.size))
            return read_message(kind, await self.reader.readexactly(length))

    async def units(self, count: int) -> list[LiveUnit]:
        """The next units; nothing else comes between."""
        got = [await self.next() for _ in range(count)]
        assert all(isinstance(message, LiveUnit) for message in got), got
        return got  # type: ignore[return-value]

    def close(self) -> None:
        """Leave."""
        self.writer.close()


class House:
    """A recorder behind an open door."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rig = Rig()
        self.clock = FakeClock()
        self.door = LiveDoor({STREAM: self.rig.recorder}.get, self.clock)
        self.guests: list[Watching] = []

    async def watch(self, sent: bytes = request(STREAM)) -> Watching:
        """Subscribe."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(sent)
        self.guests.append(Watching(reader, writer))
        return self.guests[-1]

    async def watched_by(self, count: int) -> None:
        """Wait until that many watch."""

        def seen() -> bool:
            live = self.rig.recorder.live
            return count == (len(live.viewers) if live else 0)

        await eventually(f"{count} watch", seen)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """With the door open."""
    built = House(folder / "live.sock")
    async with built.door.open(built.path):
        yield built
        for guest in built.guests:
            guest.writer.transport.abort()
        await eventually("all have left", lambda: not built.door.subscribers)


async def test_units_come_as_they_are_from_the_sync_sample_on(tmp_path: Path) -> None:
    """Bytes, timestamps and flags; first what they are to be read by."""
    async with house(tmp_path) as built:
        built.rig.feed(30)  # the second second has begun: its first five frames are in the open fragment
        watching = await built.watch()
        track = await watching.next()
        assert isinstance(track, Track)
        assert (track.codec, track.timescale) == ("avc1.42c01e", 90_000)
        held = await watching.units(5)
        assert [(unit.sync, unit.rtp_timestamp, unit.earlier) for unit in held] == [
            (number == 25, number * 3600, True) for number in range(25, 30)
        ]
        assert [later.arrival_us - held[0].arrival_us for later in held] == [0, 40_000, 80_000, 120_000, 160_000]
        built.rig.feed(2, size_bytes=5000)
        fresh = await watching.units(2)
        assert [unit.payload for unit in fresh] == [bytes.fromhex("000013886588") + bytes(4998)] * 2
        assert [(unit.rtp_timestamp, unit.earlier) for unit in fresh] == [(30 * 3600, False), (31 * 3600, False)]


async def test_who_comes_while_others_watch_begins_with_the_whole_group(tmp_path: Path) -> None:
    """However long it is: nobody waits for the next sync sample."""
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(1)
        first = await built.watch()
        await first.next()
        built.rig.feed(199)
        await first.units(200)
        second = await built.watch()
        await second.next()
        assert (await second.units(200))[0].sync


async def test_who_comes_first_begins_with_the_group_that_is_being_recorded(tmp_path: Path) -> None:
    """Its beginning is read back from the spool: bytes, timestamps and flags, without a hole before what comes next.

    The span is not the session's first: times in its file count from its own beginning.
    """
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(100)
        built.rig.recorder.clock_stepped(1)
        built.rig.feed(150)
        assert len(built.rig.spool.files) == 1
        for number in range(210):
            built.rig.feed(1, size_bytes=100 + number)
        built.rig.written()
        watching = await built.watch()
        assert isinstance(await watching.next(), Track)
        group = await watching.units(210)
        built.rig.feed(2)
        group += await watching.units(2)
        assert [unit.sync for unit in group] == [True] + [False] * 211
        assert [len(unit.payload) for unit in group] == [104 + number for number in range(210)] + [6, 6]
        assert [unit.payload[:6].hex() for unit in group[:2]] == ["000000646588", "000000656588"]
        assert [unit.rtp_timestamp for unit in group] == [number * 3600 for number in range(250, 462)]
        assert {after.arrival_us - before.arrival_us for before, after in pairwise(group)} == {40_000}
        assert [unit.earlier for unit in group] == [True] * 210 + [False] * 2


async def test_what_is_not_durable_yet_is_waited_for(tmp_path: Path) -> None:
    """Nobody sees a picture that is not, and who comes meanwhile begins with the group, too."""
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(60)
        first = await built.watch()
        await built.watched_by(1)
        second = await built.watch()
        await built.watched_by(2)
        built.rig.feed(40)
        assert built.door.state()["bytes"] == 50 * 6, "ten units of the open fragment, and what came since"
        built.rig.written()
        for watching in (first, second):
            await watching.next()
            assert [unit.rtp_timestamp for unit in await watching.units(100)] == [n * 3600 for n in range(100)]


async def test_a_group_that_is_over_is_not_looked_for(tmp_path: Path) -> None:
    """The next one has begun before the disk had the last one: that is shown, in its order."""
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(60)
        watching = await built.watch()
        await built.watched_by(1)
        built.rig.feed(192)
        built.rig.written()
        assert isinstance(await watching.next(), Track)
        assert [unit.rtp_timestamp for unit in await watching.units(2)] == [250 * 3600, 251 * 3600]
        await eventually("it was looked back", lambda: not built.door._tasks)
        assert built.door.state()["bytes"] == (10 + 192) * 6


async def test_a_group_of_an_earlier_session_is_not_looked_for(tmp_path: Path) -> None:
    """Another has begun before the disk had it, if not with a sync sample: what was before does not lead up to that."""
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(60)
        await built.watch()
        await built.watched_by(1)
        built.rig.lose_session(GapReason.STALLED)
        built.rig.feed(3)
        built.rig.written()
        await eventually("it was looked back", lambda: not built.door._tasks)
        assert built.door.state()["bytes"] == (10 + 3) * 6


@pytest.mark.parametrize("trouble", ["gone", "short", "too large"])
async def test_a_group_that_cannot_be_read_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Its file was sealed meanwhile, or is not what it should be: the next sync sample is shown.

    One that is larger than what may be kept is not read at all.
    """
    if trouble == "too large":
        monkeypatch.setattr(live_door, "FEED_BYTES", 300)
    async with house(tmp_path) as built:
        built.rig.gop = 250
        built.rig.feed(60)
        file = built.rig.spool.files[-1]
        if trouble == "short":
            del file.content[-COMMIT_BOX_BYTES - 1 :]
        if trouble == "gone":
            monkeypatch.setattr(file, "read", lambda *_: (tmp_path / "gone").read_bytes())
        read = Mock(side_effect=file.read)
        monkeypatch.setattr(file, "read", read)
        built.rig.written()
        watching = await built.watch()
        await built.watched_by(1)
        built.rig.feed(191)
        assert isinstance(await watching.next(), Track)
        assert [unit.rtp_timestamp for unit in await watching.units(1)] == [250 * 3600]
        assert read.called == (trouble != "too large")


async def test_a_new_session_is_described_anew(tmp_path: Path) -> None:
    """Its timestamps have nothing to do with the earlier ones."""
    async with house(tmp_path) as built:
        built.rig.feed(1)
        watching = await built.watch()
        await watching.next()
        await watching.units(1)
        built.rig.lose_session(GapReason.STALLED)
        built.rig.frame = 1_000_000 // 25 * 25
        built.rig.feed(1)
        assert isinstance(await watching.next(), Track)
        assert (await watching.units(1))[0].sync


async def test_nobody_watching_leaves_nothing_behind(tmp_path: Path) -> None:
    """The feed goes with its last viewer, however that one left."""
    async with house(tmp_path) as built:
        built.rig.feed(1)
        watching = [await built.watch() for _ in range(3)]
        await built.watched_by(3)
        watching[0].close()
        watching[1].writer.transport.abort()
        await built.watched_by(1)
        watching[2].close()
        await built.watched_by(0)
        assert built.rig.recorder.live is None
        assert built.door.state() == {"subscribers": 0, "streams": 0, "cut": 0, "bytes": 0}


async def test_fifty_who_do_not_read_change_nothing_and_are_cut(tmp_path: Path) -> None:
    """What is recorded is the same to the byte; what is kept for them stays below its bound; one who reads gets all."""
    alone = Rig()
    async with house(tmp_path) as built:
        for rig in (alone, built.rig):
            rig.feed(1)
        stalled = [await built.watch() for _ in range(50)]
        healthy = await built.watch()
        await built.watched_by(51)
        await healthy.next()
        await healthy.units(1)
        for _ in range(40):
            for rig in (alone, built.rig):
                rig.feed(25, size_bytes=20_000)
            assert [unit.rtp_timestamp for unit in await healthy.units(25)][-1] == (built.rig.frame - 1) * 3600
            assert built.door.state()["bytes"] <= 2 * 25 * 20_004
        built.clock.advance(STALLED_US + 1)
        for rig in (alone, built.rig):
            rig.feed(2)
        await built.watched_by(1)
        assert [unit.rtp_timestamp for unit in await healthy.units(2)] == [1001 * 3600, 1002 * 3600]
        assert [bytes(file.content) for file in built.rig.spool.files] == [
            bytes(file.content) for file in alone.spool.files
        ]
        assert len(stalled) == built.door.state()["cut"] == 50


async def test_what_a_subscriber_does_not_take_is_never_more_than_a_unit(tmp_path: Path) -> None:
    """The rest stays in the ring, which is bounded for all of them together."""
    async with house(tmp_path) as built:
        built.rig.feed(1)
        await built.watch()
        await built.watched_by(1)
        (subscriber,) = built.door.subscribers
        waiting = 0
        for _ in range(3000):
            built.rig.feed(1, size_bytes=1000)
            waiting = max(waiting, subscriber._transport.get_write_buffer_size())
        assert 0 < waiting <= 1004 + UNIT_HEADER_BYTES


UNIT_HEADER_BYTES = 19


async def test_a_slow_one_goes_on_at_a_sync_sample(tmp_path: Path) -> None:
    """What it missed it is not sent; what it gets can be decoded."""
    async with house(tmp_path) as built:
        built.rig.feed(1)
        slow = await built.watch()
        await built.watched_by(1)
        for _ in range(40):
            built.rig.feed(25, size_bytes=20_000)
            await asyncio.sleep(0)
        assert isinstance(await slow.next(), Track)
        numbers, last = [], (built.rig.frame - 1) * 3600
        while not numbers or numbers[-1] != last:
            (unit,) = await slow.units(1)
            if numbers and unit.rtp_timestamp != numbers[-1] + 3600:
                assert unit.sync
            numbers.append(unit.rtp_timestamp)
        assert len(numbers) < 900, "it was too slow, and yet missed nothing"


async def test_the_rings_share_what_they_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight cameras each keeps an eighth."""
    monkeypatch.setattr(live_door, "ALL_FEEDS_BYTES", 80_000)
    rigs = {UUID(int=number): Rig() for number in range(1, 9)}
    async with house(tmp_path) as built:
        monkeypatch.setattr(built.door, "_find", lambda stream: rigs[stream].recorder)
        for stream, rig in rigs.items():
            rig.feed(1)
            await built.watch(request(stream))
        await eventually("all are watched", lambda: built.door.state()["streams"] == 8)
        for rig in rigs.values():
            rig.feed(24, size_bytes=1000)
        assert 8 * 8000 < built.door.state()["bytes"] <= 80_000


async def test_a_fault_of_the_feed_is_not_the_recorders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewers are told, and the recording goes on."""
    async with house(tmp_path) as built:
        built.rig.feed(1)
        watching = await built.watch()
        await built.watched_by(1)
        await watching.next()
        await watching.units(1)
        live = built.rig.recorder.live
        assert live is not None
        monkeypatch.setattr(live, "ring", None)
        built.rig.feed(30)
        end = await watching.next()
        assert isinstance(end, LiveEnd)
        assert built.rig.recorder.state()["state"] == "recording"
        assert built.rig.recorder._segmenter.recording


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (request(UUID(int=99)), "this stream is not recorded here"),
        (b"GET / HTTP/1.1\r\nHost: xyz\r\n", "not a request of version 1 of the live socket"),
        (request(STREAM) + b"x", "more came than one request"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_sentence(tmp_path: Path, sent: bytes, sentence: str) -> None:
    """And the connection ends."""
    async with house(tmp_path) as built:
        watching = await built.watch(sent)
        end = await watching.next()
        assert isinstance(end, LiveEnd)
        assert end.sentence == sentence
        with pytest.raises(EOFError):
            await watching.next()


async def test_there_are_no_more_than_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told so."""
    monkeypatch.setattr(live_door, "MOST_SUBSCRIBERS", 2)
    async with house(tmp_path) as built:
        built.rig.feed(1)
        for _ in range(2):
            await built.watch()
        await built.watched_by(2)
        end = await (await built.watch()).next()
        assert isinstance(end, LiveEnd)
        assert end.sentence == "2 subscribers are here already"


async def test_only_its_owner_may_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file's mode, and by who the kernel says it is."""
    async with house(tmp_path) as built:
        assert stat.S_IMODE(built.path.stat().st_mode) == 0o600
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
        if os.getuid() == 0:
            monkeypatch.setattr(live_door, "ROOT", other)
        watching = await built.watch()
        with pytest.raises((EOFError, ConnectionError)):
            await watching.next()


async def test_recording_does_without_the_socket(tmp_path: Path) -> None:
    """Where it cannot be opened: a directory that is not there."""
    async with LiveDoor({}.get, FakeClock()).open(tmp_path / "missing" / "live.sock"):
        assert not (tmp_path / "missing").exists()


async def test_a_killed_predecessors_socket_is_replaced(tmp_path: Path) -> None:
    """The role's lock says that nobody answers on it; at the end none is left."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "live.sock"))
    async with house(tmp_path) as built:
        built.rig.feed(1)
        assert isinstance(await (await built.watch()).next(), Track)
    assert not built.path.exists()


async def test_a_camera_that_is_watched_is_read_at_once() -> None:
    """Also one whose session begins while somebody watches: its first sync sample is the one that would take longest.

    Once nobody watches any more it is read with the others again.
    """
    rig, told = Rig(), []
    camera = rig.watch(RtpReceiver(96, H264Depacketizer(rig.recorder._on_unit)))
    with (
        patch.object(camera, "hurry", lambda *, wanted: told.append(wanted)),
        patch.object(recorder, "open_source", AsyncMock(return_value=camera)),
    ):
        rig.tick()
        assert told == [False]
        rig.recorder.open_feed(1 << 20)
        session = asyncio.create_task(rig.recorder._run_once())
        await eventually("the session plays", lambda: rig.recorder._watch is not None and len(told) > 1)
        assert told == [False, True]
        rig.recorder.live = None
        rig.tick()
        assert told == [False, True, False]
        session.cancel()
        await asyncio.wait([session])
