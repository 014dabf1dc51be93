"""Packets that are lost, doubled, mixed up or cut, numbers that jump, frames that grow: byte for byte on the wire."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise

import pytest

from media.nal import nal_type
from simulator import Simulator
from simulator.codec_h264 import FILLER
from simulator.packet_faults import garbage
from simulator.seed import chance
from tests.builders_faults import Packet, RawReader, Wire, playing, step, suffering, troubled, units_of, watched, wired
from tests.builders_simulator import TCP, connect, rtp_start

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])


async def _through(wire: Wire, simulator: Simulator) -> None:
    """Have the faults of the script while twenty frames are sent, then see some frames of what comes after."""
    async with suffering(simulator):
        enough = len(wire.log) + 20
        await wire.until(lambda: len(wire.log) >= enough)
    over = len(wire.log)
    await wire.until(lambda: len(wire.log) > over + 2)
    last = wire.log[over + 1].frame
    await wire.until(lambda: any(unit.mark.frame == last for unit in units_of(wire.packets[-400:])))


def _check_log(wire: Wire) -> tuple[set[int], set[int]]:
    """Frames that the log calls whole came whole, the others did not; returns both."""
    came = {unit.mark.frame: unit.mark.crc32 for unit in units_of(wire.packets)}
    last = max(came)
    log = [sent for sent in wire.log if sent.frame <= last]
    whole = {sent.frame for sent in log if not sent.spoiled}
    spoiled = {sent.frame for sent in log if sent.spoiled}
    assert whole <= {*came}
    assert all(came[sent.frame] == sent.crc32 for sent in log if sent.frame in whole)
    return whole, spoiled


def _missing(packets: list[Packet]) -> int:
    """How many sequence numbers never came, between those that did."""
    first = packets[0].sequence
    numbers = {(packet.sequence - first) & 0xFFFF for packet in packets}
    return max(numbers) + 1 - len(numbers)


@BOTH
async def test_lost_packets_are_numbered_and_never_come(transport: str) -> None:
    """Their frames are spoiled in the log, the others are whole."""
    async with watched(transport, step("loss", for_ms=600, percent=20)) as (simulator, wire):
        await _through(wire, simulator)
        whole, spoiled = _check_log(wire)
        assert _missing(wire.packets) >= len(spoiled) > 0
        assert not spoiled & {unit.mark.frame for unit in units_of(wire.packets)}
        assert not wire.log[-1].spoiled
        assert len(whole) > 2


@BOTH
async def test_reordered_packets_all_come(transport: str) -> None:
    """Neighbours have changed places; their frames are spoiled in the log."""
    async with watched(transport, step("reorder", for_ms=600, percent=20)) as (simulator, wire):
        await _through(wire, simulator)
        _, spoiled = _check_log(wire)
        assert _missing(wire.packets) == 0
        steps = {(after.sequence - before.sequence) & 0xFFFF for before, after in pairwise(wire.packets)}
        assert 0xFFFF in steps
        assert spoiled
        assert not wire.log[-1].spoiled


@BOTH
async def test_duplicates_follow_their_packet(transport: str) -> None:
    """Nothing is spoiled by them."""
    async with watched(transport, step("duplicate", for_ms=600, percent=20)) as (simulator, wire):
        await _through(wire, simulator)
        _, spoiled = _check_log(wire)
        assert not spoiled
        assert any(before == after for before, after in pairwise(wire.packets))
        assert _missing(wire.packets) == 0
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(wire.packets)} == {0, 1}


async def test_garbage_between_interleaved_frames() -> None:
    """Just as many random bytes as asked for after each access unit; what follows is called spoiled."""
    async with (
        troubled(step("garbage", for_ms=300, bytes=77)) as (simulator, log),
        connect(simulator.urls[0], RawReader) as reader,
    ):
        assert isinstance(reader, RawReader)
        assert (await reader.set_up(TCP)).status == 200
        assert (await reader.ask("PLAY")).status == 200
        received = reader.keep()
        await reader.until(lambda: len(log) >= 2)
        async with suffering(simulator):
            await reader.until(lambda: sum(sent.spoiled for sent in log) >= 3)
        noises = [garbage(77, chance(0, "cam/0001", "garbage", sent.frame)) for sent in log]
        found = [noise for noise in noises if noise in received]
        assert len(found) >= 3
        for noise in found:
            received[:] = received.replace(noise, b"")
        position = 0
        while position + 4 <= len(received):
            assert received[position] == 0x24
            position += 4 + struct.unpack_from(">H", received, position + 2)[0]
        first = next(index for index, sent in enumerate(log) if sent.spoiled)
        assert all(sent.spoiled for sent in log[first:])
        async with playing(simulator.urls[0], "tcp") as wire:
            await wire.units_after(3)


async def test_garbage_over_udp_is_datagrams_that_are_no_rtp() -> None:
    """The others are what they were, so nothing is spoiled."""
    async with watched("udp", step("garbage", for_ms=300, bytes=77)) as (simulator, wire):
        await _through(wire, simulator)
        _, spoiled = _check_log(wire)
        assert not spoiled
        noises = {garbage(77, chance(0, "cam/0001", "garbage", sent.frame)) for sent in wire.log}
        assert len(wire.noise) >= 3
        assert {*wire.noise} <= noises


async def test_a_cut_over_tcp_ends_in_the_middle_of_a_packet() -> None:
    """Its length was promised, then the connection is at its end. The frame is spoiled, the next session is well."""
    async with troubled(step("cut")) as (simulator, log), connect(simulator.urls[0], RawReader) as reader:
        assert isinstance(reader, RawReader)
        assert (await reader.set_up(TCP)).status == 200
        assert (await reader.ask("PLAY")).status == 200
        received = reader.keep()
        await reader.until(lambda: len(log) >= 2)
        await simulator.perform()
        await reader.until(lambda: reader.closed)
        assert reader.error is None
        position = 0
        while (end := position + 4 + struct.unpack_from(">H", received, position + 2)[0]) <= len(received):
            position = end
        assert 4 < len(received) - position < end - position
        assert [sent.spoiled for sent in log[:-1]] == [False] * (len(log) - 1)
        assert log[-1].spoiled
        async with playing(simulator.urls[0], "tcp") as wire:
            await wire.units_after(3)


async def test_a_cut_over_udp_is_a_frame_without_its_end_and_the_end_of_the_connection() -> None:
    """The rest of the frame never comes, and a datagram is whole or not there."""
    async with troubled(step("cut")) as (simulator, log):
        async with playing(simulator.urls[0], "udp", log) as wire:
            await simulator.perform()
            await wire.until(lambda: wire.reader.closed)
            assert log[-1].spoiled
            await wire.until(lambda: units_of(wire.packets)[-1].mark.frame == log[-2].frame)
            assert not wire.spoiled()[log[-2].frame]
        async with playing(simulator.urls[0], "udp") as wire:
            await wire.units_after(3)


@BOTH
async def test_sessions_go_on_under_another_ssrc(transport: str) -> None:
    """With the next numbers, and a sender report of the new source in time."""
    async with watched(transport, step("ssrc-change")) as (simulator, wire):
        await _through(wire, simulator)
        assert len({packet.ssrc for packet in wire.packets}) == 2
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(wire.packets)} == {1}
        assert not any(wire.spoiled().values())


@BOTH
async def test_sequence_numbers_jump(transport: str) -> None:
    """Once, ahead; frames are whole."""
    async with watched(transport, step("sequence-jump", by=500)) as (simulator, wire):
        await _through(wire, simulator)
        steps = [(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(wire.packets)]
        assert sorted(steps)[-2:] == [1, 501]
        assert not any(wire.spoiled().values())


@BOTH
@pytest.mark.parametrize(("fault", "ticks"), [("timestamp-jump", 900_000), ("timestamp-backwards", -180_000)])
async def test_timestamps_jump_for_good(fault: str, ticks: int, transport: str) -> None:
    """Frame numbers and the order of packets do not; a new session has them from the start."""
    async with troubled(step(fault)) as (simulator, log):
        async with playing(simulator.urls[0], transport, log) as wire:
            await _through(wire, simulator)
            units = units_of(wire.packets)
            extra = {
                (b.timestamp - a.timestamp - 3600 * (b.mark.frame - a.mark.frame) + (1 << 31)) % (1 << 32) - (1 << 31)
                for a, b in pairwise(units)
            }
            assert extra == {0, ticks}
            assert not any(wire.spoiled().values())
        async with wired(simulator.urls[0], transport) as wire:
            _, start = rtp_start(await wire.reader.ask("PLAY"))
            (first, *_) = await wire.units_after(2)
            assert first.timestamp == start
            (report, *_) = wire.reports
            assert 0 <= (report.rtp_timestamp - first.timestamp) % (1 << 32) < 90_000


@BOTH
async def test_timestamps_stand_still_and_go_on(transport: str) -> None:
    """Every frame meanwhile has the same one; afterwards they are where they would have been."""
    async with watched(transport, step("timestamp-freeze", for_ms=300)) as (simulator, wire):
        await _through(wire, simulator)
        units = units_of(wire.packets)
        stamps = [unit.timestamp for unit in units]
        frozen = max(set(stamps), key=stamps.count)
        assert stamps.count(frozen) >= 4
        whole = (units[-1].timestamp - units[0].timestamp) % (1 << 32)
        assert whole == 3600 * (units[-1].mark.frame - units[0].mark.frame)


@BOTH
async def test_timestamps_wrap_five_seconds_after_play(transport: str) -> None:
    """For sessions that begin meanwhile; those that were there are hung up."""
    async with (
        troubled(step("timestamp-wrap", for_ms=300)) as (simulator, _),
        playing(simulator.urls[0], transport) as wire,
        suffering(simulator),
    ):
        await wire.until(lambda: wire.reader.closed)
        async with wired(simulator.urls[0], transport) as wrapping:
            _, start = rtp_start(await wrapping.reader.ask("PLAY"))
            (first, *_) = await wrapping.units_after(2)
            assert first.timestamp == start == (1 << 32) - 5 * 90_000


@BOTH
async def test_a_flood_is_filler_behind_the_picture(transport: str) -> None:
    """Many times the bytes in the same access units; mark and log have the checksum of all of it."""
    async with watched(transport, step("flood", for_ms=300, factor=6), bitrate_bps=200_000) as (simulator, wire):
        await _through(wire, simulator)
        _, spoiled = _check_log(wire)
        assert not spoiled
        flooded = [unit for unit in units_of(wire.packets) if FILLER in unit.kinds]
        assert len(flooded) >= 4
        for unit in flooded:
            own = sum(len(nal) for nal in unit.nals if nal_type(nal) not in {6, FILLER})
            assert 5 < sum(map(len, unit.nals)) / own < 7
        frames = [unit.mark.frame for unit in units_of(wire.packets)]
        assert frames == sorted(set(frames))


@BOTH
async def test_a_trickle_lets_through_what_it_can(transport: str) -> None:
    """Frames come late and whole, those that would wait too long never; only what came is in the log."""
    fault = step("trickle", for_ms=1200, rate="200k")
    async with watched(transport, fault, bitrate_bps=2_000_000) as (simulator, wire):
        clock = asyncio.get_running_loop().time
        before, begun_s = sum(len(packet.payload) for packet in wire.packets), clock()
        async with suffering(simulator):
            await wire.until(lambda: any(b.frame - a.frame > 1 for a, b in pairwise(wire.log)))
        came, took_s = sum(len(packet.payload) for packet in wire.packets) - before, clock() - begun_s
        assert came * 8 < 200_000 * took_s * 1.5 + 40_000
        over = len(wire.log)
        await wire.until(lambda: len(wire.log) > over + 10)
        _, spoiled = _check_log(wire)
        assert not spoiled
        frames = [sent.frame for sent in wire.log]
        assert frames == sorted(set(frames))
        gaps = [b.frame - a.frame for a, b in pairwise(wire.log)]
        assert max(gaps) > 1
        assert all(b.sync for a, b in pairwise(wire.log) if b.frame - a.frame > 1)
        assert _missing(wire.packets) == 0


@BOTH
async def test_faults_of_one_camera_add_up(transport: str) -> None:
    """Grown, doubled and lost at once, in frames that are numbered on."""
    faults = (
        step("flood", for_ms=500, factor=3),
        step("loss", for_ms=400, percent=10),
        step("duplicate", at_ms=100, for_ms=300, percent=20),
        step("timestamp-jump", at_ms=200),
    )
    async with (
        troubled(*faults, bitrate_bps=200_000) as (simulator, log),
        playing(simulator.urls[0], transport, log) as wire,
    ):
        await _through(wire, simulator)
        _, spoiled = _check_log(wire)
        assert spoiled
        assert not log[-1].spoiled


async def test_the_same_seed_loses_the_same_packets() -> None:
    """Two sessions of one camera at the same time miss the same ones, whatever their own numbers are."""
    async with watched("tcp", step("loss", for_ms=600, percent=20)) as (simulator, one):
        async with playing(simulator.urls[0], "udp") as two:
            await _through(one, simulator)
            await two.more(10)
        of_session: dict[int, dict[int, bool]] = {}
        for sent in one.log:
            of_session.setdefault(sent.session, {})[sent.frame] = sent.spoiled
        first, second = of_session.values()
        both = first.keys() & second.keys()
        assert {frame for frame in both if first[frame]} == {frame for frame in both if second[frame]} != set()
