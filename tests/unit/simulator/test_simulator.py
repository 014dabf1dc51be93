"""The simulator as a whole."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from media.errors import ConfigError
from simulator import Simulator, SimulatorOptions, simulate
from simulator.oracle import checksum, find_sei
from simulator.sent_log import SentFrame, read_sent_log
from simulator.simulator import _allow_open_files
from tests.builders_simulator import connect, film_units, make_film, nals

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
