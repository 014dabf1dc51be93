"""Scripts carried out: when, on whom, and what the fault log says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from media.errors import ConfigError
from simulator import CameraOptions, Simulator, director
from simulator.fault_log import read_fault_log
from simulator.faults import make_fault
from simulator.script import Phase, Script, Step
from simulator.simulator import simulate
from tests.builders_faults import QUICK, playing, step, suffering, watched, wired
from tests.builders_simulator import connect
from tests.waiting import eventually


@pytest.fixture(name="waits")
def _waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of the event loop's clock that a director has waited for, and not less."""
    waits: list[float] = []
    wait = director._until

    async def noted(at_s: float) -> None:
        waits.append(at_s)
        await wait(at_s)
        assert asyncio.get_running_loop().time() >= at_s

    monkeypatch.setattr(director, "_until", noted)
    return waits


async def test_the_log_has_a_fault_before_it_acts_and_after_it_is_over(tmp_path: Path, waits: list[float]) -> None:
    """What a client misses lies between the two."""
    log = tmp_path / "faults"
    async with watched("tcp", step("stall", at_ms=50, for_ms=200), fault_log=log) as (simulator, wire):
        before, began_s = wire.log[-1].sent_us, asyncio.get_running_loop().time()
        await simulator.perform()
        assert waits[0] - began_s >= 0.05
        assert waits[1] - waits[0] == pytest.approx(0.2)
        over = len(wire.log)
        await wire.until(lambda: len(wire.log) > over)
        begin, end = read_fault_log(log)
        assert (begin.phase, end.phase, begin.step, begin.cameras) == (Phase.BEGIN, Phase.END, 1, ("cam/0001",))
        assert begin.fault == end.fault == make_fault("stall", {})
        assert before < begin.at_us < end.at_us
        assert [sent for sent in wire.log if begin.at_us < sent.sent_us < end.at_us] == []
        assert wire.log[-1].sent_us > end.at_us


async def test_an_instant_fault_is_in_the_log_once_a_time(tmp_path: Path) -> None:
    """Flags are numbered after the steps of the script."""
    log = tmp_path / "faults"
    again = Step(at_us=0, every_us=100_000, for_us=250_000, fault=make_fault("sequence-jump", {}), cameras=("*",))
    async with watched("tcp", again, faults=(step("duplicate"),), fault_log=log) as (simulator, wire):
        await simulator.perform()
        await wire.more()
    records = [(record.fault.name, record.phase, record.step) for record in read_fault_log(log)]
    assert records == [("duplicate", Phase.BEGIN, 2), *[("sequence-jump", Phase.ONCE, 1)] * 3]


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_processes_of_the_recorder_are_not_ours(fault: str) -> None:
    """Only a storm ends them."""
    options = replace(QUICK, script=Script((Step(for_us=1, fault=make_fault(fault, {}), place="s.yaml:3"),)))
    with pytest.raises(ConfigError, match=rf"s\.yaml:3: {fault} is for the recorder, not for cameras"):
        async with Simulator(options):
            pytest.fail("it began")


async def test_a_script_for_other_cameras_is_refused() -> None:
    """Before anything is served or encoded."""
    options = replace(QUICK, script=Script((step("loss", for_ms=1, cameras=("cam/0007",)),)))
    with pytest.raises(ConfigError, match="no camera is called `cam/0007`; did you mean `cam/0001`"):
        async with Simulator(options):
            pytest.fail("it began")


async def test_a_flag_and_a_script_cannot_both_have_a_fault() -> None:
    """The end of one would be the end of both."""
    options = replace(QUICK, faults=(step("loss"),), script=Script((step("loss", at_ms=5, for_ms=1),)))
    with pytest.raises(ConfigError, match="which has it for ever already"):
        async with Simulator(options):
            pytest.fail("it began")


async def test_it_does_not_matter_when_the_script_begins() -> None:
    """With a cue, nobody knows: also flags that have a time must not share a fault with it."""
    options = replace(
        QUICK, faults=(step("loss", at_ms=10, for_ms=5),), script=Script((step("loss", at_ms=50, for_ms=1),))
    )
    with pytest.raises(ConfigError, match="which has it for ever already"):
        async with Simulator(options):
            pytest.fail("it began")


async def test_flags_have_times_of_their_own(tmp_path: Path) -> None:
    """Counted from when the cameras are there."""
    log = tmp_path / "faults"
    flags = (
        step("duplicate", at_ms=50, for_ms=50),
        Step(at_us=70_000, fault=make_fault("ssrc-change", {}), cameras=("*",)),
    )
    twice = step("loss", at_ms=1, for_ms=1), step("loss", at_ms=2, for_ms=1)
    async with watched("tcp", faults=(*flags, *twice), fault_log=log) as (simulator, wire):
        assert [*read_fault_log(log)] == []
        await simulator.perform_flags()
        await wire.until(lambda: len({packet.ssrc for packet in wire.packets}) == 2)
    records = [(record.fault.name, record.phase) for record in read_fault_log(log) if record.fault.name != "loss"]
    assert records == [("duplicate", Phase.BEGIN), ("ssrc-change", Phase.ONCE), ("duplicate", Phase.END)]


async def test_a_clock_that_has_drifted_stays_where_it_is() -> None:
    """Sender reports give the camera's own time, frames come at theirs, and the log has the true time."""
    drift = step("drift", for_ms=500, ppm=20_000)
    async with watched("tcp", drift) as (simulator, wire):
        camera = simulator.cameras["cam/0001"]
        before_us = camera._clock.wall_us()
        async with suffering(simulator):
            begun_us = camera._clock.wall_us()
            await wire.until(lambda: wire.log[-1].sent_us > begun_us + 500_000)
            ending_us = camera._clock.wall_us()
        ended_us = camera._clock.wall_us()
        conditions = camera.conditions
        assert conditions is not None
        ahead_us = conditions.crystal.own_us(wire.log[-1].sent_us) - wire.log[-1].sent_us
        assert (ending_us - begun_us) * 0.02 - 1 <= ahead_us <= (ended_us - before_us) * 0.02 + 1
        wire.log.clear()
        async with wired(simulator.urls[0], "tcp") as another:
            assert (await another.reader.ask("PLAY")).status == 200
            (first, *_) = await another.units_after(2)
        sent = next(sent for sent in wire.log if sent.frame == first.mark.frame)
        (report, *_) = another.reports
        seconds, fraction = report.ntp >> 32, report.ntp & 0xFFFFFFFF
        told_us = (seconds - 2_208_988_800) * 1_000_000 + fraction * 1_000_000 // (1 << 32)
        assert abs(told_us - first.mark.sent_us - ahead_us) <= 2
        assert sent.sent_us >= camera.source.timetable.due_us(first.mark.frame)


async def test_a_script_waits_for_its_cue() -> None:
    """Cameras are served meanwhile, and flags act."""
    cue, urls = asyncio.Event(), list[str]()

    async def wait() -> None:
        await cue.wait()

    options = replace(QUICK, script=Script((step("404", for_ms=60_000),)))
    async with asyncio.timeout(20):
        serving = asyncio.create_task(simulate(options, urls.append, wait))
        await eventually("it serves", lambda: urls)
        async with playing(urls[0], "tcp") as wire:
            await wire.more(10)
            cue.set()
            await wire.until(lambda: wire.reader.closed)
        async with connect(urls[0]) as reader:
            assert (await reader.ask("DESCRIBE")).status == 404
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_port_that_was_taken_meanwhile_ends_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be the camera again that the script says; better loud than a verdict on something else."""
    shut, taken = asyncio.Event(), asyncio.Event()

    async def until(_at_s: float) -> None:
        if shut.is_set():
            await taken.wait()  # the fault's end
        shut.set()

    monkeypatch.setattr(director, "_until", until)
    fleet = tuple(CameraOptions(name=name, bitrate_bps=500_000, gop_us=200_000) for name in ("a", "b"))
    urls: list[str] = []
    options = replace(QUICK, fleet=fleet, script=Script((step("refuse", for_ms=300, cameras=("a",)),)))
    serving = asyncio.create_task(simulate(options, urls.append))
    await eventually("it serves", lambda: urls)
    host, port = urls[0].removeprefix("rtsp://").split("/")[0].split(":")

    await shut.wait()
    async with await asyncio.start_server(lambda reader, writer: None, host, int(port)):
        taken.set()
        with pytest.raises(ConfigError, match=f"{host}:{port}"):
            await serving
