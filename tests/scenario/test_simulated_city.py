"""The simulated city of examples/boras.yaml: 220 cameras, kind by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

import av
import pytest

from media.nal import split_annex_b
from server.city import read_fleet
from server.settings import parse_settings
from simulator import Simulator, SimulatorOptions
from simulator.camera import Camera
from simulator.loops import loop_frames
from simulator.oracle import camera_uuid, find_sei
from simulator.source import CodedFrame, Source
from tests.product import simulated
from tests.scenario.city_reading import BORAS, TOLERANCE, choose, read_all

pytestmark = pytest.mark.scenario

SEED = 0
SENT_US = 1_795_423_943_905_095
WINDOW_US = 16_000_000
"""The longest loop."""


async def test_every_kind_of_camera_is_read_cleanly() -> None:
    """By ffmpeg and PyAV, one camera of each kind for two seconds, half of them over UDP; bitrates are within 3 %."""
    fleet = read_fleet(BORAS)
    chosen = choose(fleet, 1, SEED)
    frames = {camera.name: 2 * camera.fps for camera in chosen}
    async with Simulator(SimulatorOptions(fleet=fleet, port=0, seed=SEED)) as simulator:
        urls = simulator.server.urls
        assert len(set(urls.values())) == len(fleet) == 220
        for over, cameras in (("tcp", chosen[::2]), ("udp", chosen[1::2])):
            readings = await read_all(cameras, urls, frames, over)
            assert [reading for reading in readings if not reading.clean] == []
            assert [reading.decoded for reading in readings] == [frames[camera.name] for camera in cameras]
    for camera in chosen:
        bitrate = _bitrate_bps(simulator.cameras[camera.name], loop_frames(camera.kind), camera.fps)
        assert bitrate == pytest.approx(camera.bitrate_bps, rel=TOLERANCE), camera
    times = [at_us for camera in simulator.cameras.values() for at_us in _key_frames(camera.source)]
    assert len(times) > 1000
    assert max(Counter(at_us // 10_000 for at_us in times).values()) <= 8, "key frames come together"


def _bitrate_bps(camera: Camera, frames: int, fps: int) -> float:
    """Of one lap of its loop, as it is sent."""
    lap: list[CodedFrame] = []
    for number in range(frames):
        camera.source.produce(number, lambda _, frame: lap.append(frame))
    payloads = [payload for frame in lap for payload in frame.payloads(camera.uuid, 44_885_598_599, SENT_US)]
    return sum(map(len, payloads)) * 8 * fps / len(lap)


def _key_frames(source: Source) -> Iterable[int]:
    """When a camera sends its key frames, for a while from some time on."""
    number = source.next_sync(source.timetable.first_from(SENT_US))
    while (at_us := source.timetable.due_us(number)) < SENT_US + WINDOW_US:
        yield at_us
        number = source.next_sync(number + 1)


def test_the_command_serves_a_fleet_under_the_addresses_of_its_file() -> None:
    """A URL a line, in the order of the file; and behind each is the camera of that name."""
    storm = BORAS.with_name("storm.yaml")
    sites = parse_settings(storm.read_text(), file=storm.name, environment={}).sites
    expected = [(camera.name, urlsplit(str(camera.url))) for site in sites for camera in site.cameras]
    with simulated("--fleet", storm, cameras=len(expected)) as urls:
        found = [urlsplit(url) for url in urls]
        assert [(url.hostname, url.path) for url in found] == [(url.hostname, url.path) for _, url in expected]
        assert len({url.port for url in found}) == 1
        with av.open(urls[-1], options={"rtsp_transport": "tcp"}, timeout=20) as container:
            packet = next(container.demux(video=0))
        mark = find_sei(split_annex_b(bytes(packet)))
        assert mark is not None
        assert mark.camera == camera_uuid(expected[-1][0])
