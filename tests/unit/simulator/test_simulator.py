"""The simulator as a whole."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from media.errors import ConfigError
from media.rtsp import parse_transport
from simulator import CameraOptions, Simulator, SimulatorOptions, simulate
from simulator.oracle import checksum, find_sei
from simulator.sent_log import SentFrame, read_sent_log
from simulator.simulator import _allow_open_files
from simulator.source import CodedFrame, Source
from tests.builders_simulator import connect, film_units, make_film, nals, rtp_start

QUICK = SimulatorOptions(port=0, fps=25, gop_us=200_000, bitrate_bps=500_000)


async def test_the_log_and_the_marks_tell_the_same(tmp_path: Path) -> None:
    """File and callback hold what was written to each session, in the order it was sent."""
    heard: list[SentFrame] = []
    options = SimulatorOptions(port=0, gop_us=200_000, bitrate_bps=500_000, sent_log=tmp_path / "sent")
    async with Simulator(options, heard.append) as simulator, connect(simulator.urls[0]) as reader:
        await reader.play()
        units = [nals(unit) for unit in await reader.take(15)]
    assert list(read_sent_log(tmp_path / "sent")) == heard
    marks = [find_sei(unit) for unit in units]
    assert [(mark.frame, mark.sent_us, mark.crc32) for mark in marks if mark] == [
        (sent.frame, sent.sent_us, sent.crc32) for sent in heard[:15]
    ]
    assert len({sent.session for sent in heard}) == 1


async def test_frame_and_session_numbers_rise_over_a_restart() -> None:
    """So that no frame is ever mistaken for another one."""
    heard: list[SentFrame] = []
    for _ in range(2):
        async with Simulator(QUICK, heard.append) as simulator, connect(simulator.urls[0]) as reader:
            await reader.play()
            await reader.take(3)
    frames = [sent.frame for sent in heard]
    assert frames == sorted(set(frames))
    assert len({sent.session for sent in heard}) == 2
    assert [sent.session for sent in heard] == sorted(sent.session for sent in heard)


FLEET = tuple(
    CameraOptions(name=name, site="gates", bitrate_bps=200_000, fps=5, gop_us=1_000_000, b_frames=name == "gate c")
    for name in ("gate a", "gate b", "gate c")
)


def _frame(source: Source, number: int) -> CodedFrame:
    """One frame of a reel."""
    found: list[CodedFrame] = []
    source.produce(number, lambda _, frame: found.append(frame))
    return found[0]


async def _first_frames(seed: int, *, fleet: tuple[CameraOptions, ...] = FLEET) -> dict[str, tuple[object, ...]]:
    """How each camera of a fleet begins: RTP numbers of its first session, some frames' times and contents."""
    found = {}
    async with Simulator(SimulatorOptions(port=0, fleet=fleet, seed=seed)) as simulator:
        for camera, url in simulator.server.urls.items():
            source = simulator.cameras[camera].source
            contents = [_frame(source, number).crc32 for number in range(100, 105)]
            async with connect(url) as reader:
                ssrc = parse_transport((await reader.set_up()).headers["Transport"]).ssrc
                sequence, _ = rtp_start(await reader.ask("PLAY"))
            times = (source.timetable.due_us(100), source.timetable.presented_rtp(100))
            found[camera] = (ssrc, sequence, times, *contents)
    return found


async def test_a_fleet_follows_from_its_names_and_the_seed() -> None:
    """Restarted it is the same, to the RTP numbers; neighbours change nothing; another seed is another city."""
    first = await _first_frames(7)
    assert len({camera[2] for camera in first.values()}) == 3, "two cameras at one place of the loop"
    assert await _first_frames(7) == first
    assert await _first_frames(7, fleet=FLEET[1:]) == {name: first[name] for name in ("gate b", "gate c")}
    other = await _first_frames(8)
    assert all(set(other[name]).isdisjoint(first[name]) for name in first)


async def test_sessions_of_one_camera_are_numbered_differently() -> None:
    """As with cameras, and the same in every run."""
    numbers = []
    for _ in range(2):
        async with Simulator(replace(QUICK, seed=3)) as simulator:
            for _ in range(2):
                async with connect(simulator.urls[0]) as reader:
                    numbers.append(parse_transport((await reader.set_up()).headers["Transport"]).ssrc)
    assert numbers[:2] == numbers[2:]
    assert numbers[0] != numbers[1]


async def test_many_cameras_share_loops() -> None:
    """Each under its own name, with its own mark, and not all at the same instant."""
    heard: list[SentFrame] = []
    async with Simulator(SimulatorOptions(port=0, cameras=8, fps=5, bitrate_bps=200_000), heard.append) as simulator:
        assert [url.rsplit(":", 1)[1].partition("/")[2] for url in simulator.urls] == [
            f"cam/{n:04d}" for n in range(1, 9)
        ]
        async with connect(simulator.urls[0]) as one, connect(simulator.urls[5]) as two:
            for reader in (one, two):
                await reader.play()
            for reader in (one, two):
                for unit in map(nals, await reader.take(3)):
                    mark = find_sei(unit)
                    assert mark is not None
                    assert mark.crc32 == checksum(unit)
                    assert mark.camera == simulator.cameras["cam/0001" if reader is one else "cam/0006"].uuid
    due = [camera.source.timetable.due_us(1) for camera in simulator.cameras.values()]
    assert len({due_us % 200_000 for due_us in due}) == 8
    assert max(due) - min(due) < 1_000_000


async def test_a_file_gets_marks_when_asked(tmp_path: Path) -> None:
    """--oracle adds one NAL unit to each access unit and changes no other."""
    path = make_film(tmp_path / "film.mp4", frames=15, b_frames=2)
    own = {checksum(unit): unit for _, unit in film_units(path)}
    options = SimulatorOptions(port=0, file=path, oracle=True)
    async with Simulator(options) as simulator, connect(simulator.urls[0]) as reader:
        await reader.play()
        for unit in map(nals, await reader.take(15)):
            mark = find_sei(unit)
            assert mark is not None
            assert [nal for nal in unit if find_sei([nal]) is None] == own[mark.crc32]


async def test_simulate_announces_and_runs_until_cancelled() -> None:
    """One URL per camera, each of which can be opened by then."""
    announced: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(simulate(QUICK, announced.put_nowait))
    async with asyncio.timeout(10):
        url = await announced.get()
    async with connect(url) as reader:
        assert (await reader.ask("DESCRIBE")).ok
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_port_in_use_is_named() -> None:
    """Not a traceback: someone else listens there."""
    async with Simulator(QUICK) as simulator:
        port = urlsplit(simulator.urls[0]).port or 0
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            async with Simulator(SimulatorOptions(port=port, bitrate_bps=500_000)):
                pytest.fail("two simulators listen on one port")


@pytest.mark.parametrize(
    ("soft", "hard", "cameras", "allowed"),
    [
        (1024, 20_000, 220, 2016),
        (1024, 1500, 220, 1500),
        (4096, 20_000, 220, 4096),
        (1024, resource.RLIM_INFINITY, 9999, 80_248),
    ],
)
def test_as_many_files_as_the_cameras_need_may_be_open(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, cameras: int, allowed: int
) -> None:
    """A soft limit is raised as far as the system lets, and never lowered."""
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    _allow_open_files(cameras)
    assert limits[-1] == (allowed, hard)
