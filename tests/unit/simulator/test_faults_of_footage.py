"""Cameras whose footage changes: other GOPs, B-frames, another picture size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from media import sdp
from media.errors import ConfigError
from media.h264_parameters import ParameterSets
from media.nal import nal_type
from simulator import CameraOptions, Simulator
from simulator.codec_h264 import H264
from simulator.faults import make_fault
from simulator.footage import MAX_PREPARED_BYTES, ChangingSource, Look, looks
from simulator.reel import Reel, ReelSource
from simulator.script import Phase, Script, Step
from simulator.source import CodedFrame
from simulator.timetable import steady_lap
from tests.builders_faults import QUICK, Unit, Wire, playing, step, suffering, troubled, units_of, watched, wired
from tests.builders_simulator import make_film

SLOW = {"fps": 10, "gop_us": 300_000}
"""Three frames a GOP, and loops that take a moment to encode."""


async def _around(wire: Wire, simulator: Simulator, seen: Callable[[list[Unit]], bool], after: int = 6) -> list[Unit]:
    """The access units from before the script until some frames after its end, which is once it was seen to act."""
    async with suffering(simulator):
        await wire.until(lambda: seen(units_of(wire.packets)))
    last = wire.log[-1].frame + after
    await wire.until(lambda: units_of(wire.packets)[-1].mark.frame >= last)
    return units_of(wire.packets)


def _distances(units: list[Unit]) -> list[int]:
    """Of the sync samples, in frames."""
    return [after - before for before, after in pairwise(unit.mark.frame for unit in units if unit.sync)]


def _steps(units: list[Unit]) -> list[int]:
    """Of the timestamps, in the order of sending."""
    return [(b.timestamp - a.timestamp + (1 << 31)) % (1 << 32) - (1 << 31) for a, b in pairwise(units)]


def _check(units: list[Unit], wire: Wire) -> None:
    """Frames are numbered on, each once, without a gap; all are whole and can be decoded."""
    frames = [unit.mark.frame for unit in units]
    assert {after - before for before, after in pairwise(frames)} == {1}
    assert not any(wire.spoiled().values())
    assert all(any(nal_type(nal) == 7 for nal in unit.nals) for unit in units if unit.sync)


def _width(unit: Unit) -> int:
    parameters = ParameterSets.from_nals(unit.nals)
    assert parameters is not None
    return parameters.track().width


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_long_gop_comes_and_goes(transport: str) -> None:
    """It begins with its own sync sample, and the usual one does not have to wait for its end."""
    fault = step("gop", for_ms=1500, length="1s")
    async with watched(transport, fault, **SLOW) as (simulator, wire):
        units = await _around(wire, simulator, lambda units: max(_distances(units), default=0) >= 6)
        _check(units, wire)
        assert _distances(units)[-1] == 3


async def test_b_frames_come_and_go() -> None:
    """Timestamps go back and forth meanwhile; each is used once."""
    async with watched("tcp", step("b-frames", for_ms=1000), **SLOW) as (simulator, wire):
        units = await _around(wire, simulator, lambda units: min(_steps(units)) < 0)
        _check(units, wire)
        assert _steps(units)[0] == _steps(units)[-1] == 9000
        assert len({unit.timestamp for unit in units}) == len(units)


async def test_the_picture_size_changes_for_good() -> None:
    """In the stream from a sync sample on, and in the description that the next client gets."""
    async with watched("tcp", step("parameter-sets"), **SLOW) as (simulator, wire):
        units = await _around(wire, simulator, lambda units: len(units) > 2)
        _check(units, wire)
        widths = [_width(unit) for unit in units if unit.sync]
        assert widths[0] == 640
        assert widths[-1] == 480
        (track,) = sdp.parse((await wire.reader.ask("DESCRIBE")).body).media
        described = ParameterSets.from_sprop(track.fmtp["sprop-parameter-sets"])
        assert described is not None
        assert described.track().width == 480
        async with playing(simulator.urls[0], "tcp") as another:
            (unit, *_) = await another.units_after(2)
            assert (unit.sync, _width(unit)) == (True, 480)


async def test_cameras_of_a_fleet_change_each_on_its_own_loop() -> None:
    """Only the one that the script names; the other keeps its loop and its look."""
    fleet = tuple(
        CameraOptions(name=name, bitrate_bps=300_000, fps=fps, gop_us=400_000) for name, fps in (("a", 10), ("b", 5))
    )
    fault = step("parameter-sets", cameras=("b",))
    async with watched("tcp", fault, fleet=fleet) as (simulator, wire):
        async with playing(simulator.urls[1], "tcp") as other:
            await simulator.perform()
            await other.until(lambda: any(unit.sync and _width(unit) == 480 for unit in units_of(other.packets)))
        assert {_width(unit) for unit in units_of(wire.packets) if unit.sync} == {640}


FLEET = {"a": "x", "b": "y"}


def test_only_looks_that_can_come_are_prepared() -> None:
    """A minute of footage for each of them is much."""
    script = Script(
        (
            step("gop", at_ms=0, for_ms=20_000, cameras=("a",), length="60s"),
            step("b-frames", at_ms=10_000, for_ms=20_000),
            step("parameter-sets", at_ms=40_000),
            step("loss", at_ms=0, for_ms=20_000),
        )
    )
    gop_us = 60_000_000
    assert looks(script, FLEET) == {
        "a": {Look(), Look(gop_us), Look(gop_us, b_frames=True), Look(b_frames=True), Look(small=True)},
        "b": {Look(), Look(b_frames=True), Look(small=True)},
    }
    assert looks(Script((step("loss", for_ms=1),)), FLEET) == {}


def test_a_size_that_changes_for_ever_comes_with_every_look() -> None:
    """Nobody knows which of them it will meet."""
    often = Step(every_us=1_000_000, fault=make_fault("parameter-sets", {}), cameras=("*",))
    script = Script((step("b-frames", at_ms=10_000, for_ms=20_000, cameras=("a",)), often))
    both = {Look(), Look(small=True)}
    assert looks(script, FLEET) == {"a": both | {Look(b_frames=True), Look(b_frames=True, small=True)}, "b": both}


def test_looks_of_flags_and_of_a_script_are_joined() -> None:
    """A size that changes twice is the first again."""
    small, long = Look(small=True), Look(gop_us=60_000_000, small=True)
    assert small.joined(long) == Look(gop_us=60_000_000)
    assert long.joined(Look(b_frames=True)) == Look(gop_us=60_000_000, b_frames=True, small=True)


async def test_a_description_is_of_what_will_be_sent() -> None:
    """Also when nobody watches, and the change is waiting for the first frame of the next session."""
    async with troubled(step("parameter-sets"), **SLOW) as (simulator, _):
        await simulator.perform()
        async with wired(simulator.urls[0], "tcp") as wire:
            (track,) = sdp.parse((await wire.reader.ask("DESCRIBE")).body).media
            described = ParameterSets.from_sprop(track.fmtp["sprop-parameter-sets"])
            assert described is not None
            assert (await wire.reader.ask("PLAY")).status == 200
            (unit, *_) = await wire.units_after(2)
            assert described.track().width == _width(unit) == 480


async def test_flags_and_a_script_meet_in_one_camera() -> None:
    """All looks that this can give have been prepared."""
    script = Script((step("parameter-sets", at_ms=300),))
    async with watched("tcp", faults=(step("b-frames"),), script=script, **SLOW) as (simulator, wire):
        await simulator.perform()
        await wire.until(lambda: any(unit.sync and _width(unit) == 480 for unit in units_of(wire.packets)))
        units = units_of(wire.packets)
        _check(units, wire)
        assert min(_steps(units)) < 0


def _reel(gop: int, tag: bytes) -> ReelSource:
    units = [[(b"\x65" if index % gop == 0 else b"\x41") + tag] for index in range(12)]
    frames = tuple(CodedFrame.from_units(H264(), nals, marked=False) for nals in units)
    return ReelSource(Reel(frames=frames, lap=steady_lap(25, 12), parameters=ParameterSets()), 0)


@pytest.mark.parametrize("at", range(12))
def test_a_change_begins_with_a_sync_sample_of_what_comes_next(at: int) -> None:
    """And not later, wherever in its GOP the other one is; the same for the way back."""
    source = ChangingSource({Look(): _reel(3, b"usual"), Look(gop_us=60_000_000): _reel(12, b"long")})
    made: list[tuple[int, bytes, bool]] = []
    for number in range(48):
        if number in {at, at + 18}:
            source.change(make_fault("gop", {}), Phase.BEGIN if number == at else Phase.END)
        source.produce(number, lambda number, frame: made.append((number, frame.after_mark[0][1:], frame.sync)))
    assert [number for number, _, _ in made] == list(range(48))
    changes = [(after[0], after[2]) for before, after in pairwise(made) if before[1] != after[1]]
    if at == 0:
        assert made[0][1:] == (b"long", True)
        changes.insert(0, (0, True))
    assert changes == [(-(-at // 12) * 12, True), (-(-(at + 18) // 3) * 3, True)]


async def test_a_file_is_played_as_it_is(tmp_path: Path) -> None:
    """It has no other looks."""
    film = make_film(tmp_path / "film.mp4")
    options = replace(QUICK, file=film, script=Script((step("b-frames", for_ms=100),)))
    with pytest.raises(ConfigError, match="--file plays a file as it is"):
        async with Simulator(options):
            pytest.fail("it plays")


async def test_footage_that_would_fill_the_memory_is_refused() -> None:
    """Before any of it is encoded, with what to do."""
    fleet = tuple(CameraOptions(name=f"c{index}", bitrate_bps=30_000_000 - index) for index in range(2))
    steps = tuple(step("gop", at_ms=at, for_ms=1, length=f"{length}s") for at, length in ((0, 300), (5, 299)))
    options = replace(QUICK, fleet=fleet, script=Script(steps))
    with pytest.raises(ConfigError, match=f"more than {MAX_PREPARED_BYTES >> 20}: name fewer cameras"):
        async with Simulator(options):
            pytest.fail("it plays")
