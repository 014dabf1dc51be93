"""The contract of a source: our own RTSP client and libav's process alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ingest.approach import Approach
from ingest.backoff import Herd
from ingest.libav_source import LibavSource
from ingest.opening import open_source
from ingest.source import Source
from ingest.tracks import TrackTaker
from media.access_unit import AccessUnit
from media.errors import GapReason, SourceError
from media.nal import split_length_prefixed
from media.url import CameraUrl
from simulator import Simulator, SimulatorOptions
from simulator.oracle import find_sei
from simulator.sent_log import SentFrame
from storage.clock import HostClock
from tests.mjpeg_server import jpeg, web_camera
from tests.ports import free_port
from tests.waiting import eventually

LOOPBACK = ("127.0.0.0/8",)
NINE_SECONDS_US = 9_000_000


@dataclass
class Way:
    """A camera, and how it is reached."""

    source: str
    url: str
    number: Callable[[AccessUnit], int]
    """The number of a picture, as the camera counts them."""
    sent: Callable[[], list[int]]
    """The numbers of those that it has sent. One in a process that stood still may have left some out."""
    gone: Callable[[], object]
    """The camera goes away."""
    ends: AsyncExitStack
    timed: bool = False
    """Whether times are the camera's, tick by tick; libav's own are of when a picture came, some or all of them."""
    clock: HostClock = field(default_factory=HostClock)
    units: list[AccessUnit] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    async def open(self, *, networks: tuple[str, ...] = LOOPBACK, url: str = "") -> Source:
        """A session."""
        approach = Approach(url=CameraUrl.parse(url or self.url), source=self.source, networks=networks)
        takers = {"video": TrackTaker(units=self.units.append)}
        source = await open_source(approach, herd=Herd(self.clock), clock=self.clock, takers=takers)
        self.sources.append(source)
        return source

    async def end(self) -> None:
        """Until nothing is left of them."""
        for source in self.sources:
            source.close()
            if isinstance(source, LibavSource):
                await source.gone.wait()


@asynccontextmanager
async def _simulated(source: str) -> AsyncIterator[Way]:
    def number(unit: AccessUnit) -> int:
        mark = find_sei(split_length_prefixed(unit.nals))
        assert mark is not None
        return mark.frame

    async with AsyncExitStack() as ends:
        log: list[SentFrame] = []
        simulator = await ends.enter_async_context(Simulator(SimulatorOptions(port=0), log.append))

        def sent() -> list[int]:
            return [each.frame for each in log]

        yield Way(source, simulator.urls[0], number, sent, ends.aclose, ends, timed=source == "rtsp")


@asynccontextmanager
async def _web() -> AsyncIterator[Way]:
    async with AsyncExitStack() as ends:
        camera = await ends.enter_async_context(web_camera())
        pictures = {jpeg(number): number for number in range(100)}

        def number(unit: AccessUnit) -> int:
            return pictures[bytes(unit.nals)]

        yield Way("libav", camera.url, number, lambda: [*range(len(camera.sent))], ends.aclose, ends)


WAYS = {"rtsp": lambda: _simulated("rtsp"), "libav over rtsp": lambda: _simulated("libav"), "libav over http": _web}


@pytest.fixture(name="way", params=WAYS)
async def _way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    async with WAYS[request.param]() as way:
        yield way
        await way.end()


async def test_units_arrive_in_order_and_described(way: Way) -> None:
    """The first that is described can be decoded; their times go on; none is missing; the tally counts them."""
    opened_us = way.clock.boot_us()
    source = await way.open()
    await eventually("30 pictures", lambda: len(way.units) >= 30)
    tally = source.tally()
    source.close()
    passed_ticks = (way.clock.boot_us() - opened_us) * 9 // 100
    numbers, sent = [way.number(unit) for unit in way.units], way.sent()
    first = sent.index(numbers[0])
    assert numbers == sent[first : first + len(numbers)]
    assert way.units[0].sync
    assert way.units[0].parameters is not None
    assert all(unit.parameters is None and not unit.lost_packets for unit in way.units[1:])
    times = [unit.rtp_timestamp for unit in way.units]
    steps = [(after - before) & 0xFFFFFFFF for before, after in pairwise(times)]
    if way.timed:
        assert all(abs(step - 3600 * (b - a)) <= 1 for step, (a, b) in zip(steps, pairwise(numbers), strict=True))
    else:
        assert all(step > 0 for step in steps)
        assert 360 * len(steps) < sum(steps) < passed_ticks
    media = sum(len(unit.nals) for unit in way.units)
    assert 0.8 * media < tally.octets <= tally.wire_bytes
    assert tally.work >= 30


async def test_a_camera_that_goes_away_ends_it_with_a_reason(way: Way) -> None:
    """Once, and no unit comes after that."""
    source = await way.open()
    await eventually("a picture", lambda: way.units)
    assert not source.failure.done()
    await way.ends.aclose()
    await eventually("its end", source.failure.done)
    assert source.failure.result().reason is GapReason.UNREACHABLE
    seen = len(way.units)
    source.fail(GapReason.FLOOD, "too late")
    source.close()
    assert source.failure.result().reason is GapReason.UNREACHABLE
    assert len(way.units) == seen


@pytest.mark.parametrize("how", ["fail", "close"])
async def test_nothing_comes_after_its_end(way: Way, how: str) -> None:
    """Ours, this time."""
    source = await way.open()
    await eventually("a picture", lambda: way.units)
    if how == "fail":
        source.fail(GapReason.FLOOD, "enough")
        assert (source.failure.result().reason, str(source.failure.result())) == (GapReason.FLOOD, "enough")
    else:
        source.close()
        source.close()
    seen = len(way.units)
    await way.clock.sleep(0.3)  # six more pictures would have come
    assert len(way.units) == seen
    source.close()


async def test_silence_ends_it_unless_the_process_stood_still(way: Way) -> None:
    """Eight seconds; what a stopped process did not read is no silence of the camera's."""
    source = await way.open()
    await eventually("a picture", lambda: way.units)
    source.check(way.clock.boot_us())
    source.held(NINE_SECONDS_US)
    source.check(way.clock.boot_us() + NINE_SECONDS_US)
    assert not source.failure.done()
    source.check(way.clock.boot_us() + 3 * NINE_SECONDS_US)
    assert source.failure.result().reason is GapReason.STALLED
    source.check(way.clock.boot_us() + 3 * NINE_SECONDS_US)
    source.close()


async def test_what_came_is_told(way: Way) -> None:
    """As evidence for a gap."""
    source = await way.open()
    await eventually("a picture", lambda: way.units)
    assert "packets" in source.what_came()
    source.close()


async def test_nothing_outside_of_the_networks_is_spoken_to(way: Way) -> None:
    """The default rule leaves this host out."""
    with pytest.raises(SourceError, match="`networks` do not allow it") as caught:
        await way.open(networks=())
    assert caught.value.reason is GapReason.UNSUPPORTED


async def test_nobody_there_is_a_reason(way: Way) -> None:
    """A port that nobody listens at."""
    scheme = way.url.partition("://")[0]
    with pytest.raises(SourceError) as caught:
        await way.open(url=f"{scheme}://127.0.0.1:{free_port()}/x")
    assert caught.value.reason is GapReason.REFUSED
