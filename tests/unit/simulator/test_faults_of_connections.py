"""Cameras that refuse, fall silent or are gone: what a client meets on the wire, and that it passes."""

from __future__ import annotations

import itertools
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from media import sdp
from simulator import CameraOptions, Simulator
from tests.builders_faults import QUICK, passed, playing, step, suffering, troubled, watched, wired
from tests.builders_simulator import connect

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
FLEET = tuple(
    CameraOptions(name=name, site=name[:-2], bitrate_bps=500_000, gop_us=200_000, fps=25)
    for name in ("norrby-a", "norrby-b", "hulta-a")
)


async def _opens(url: str) -> bool:
    try:
        async with connect(url) as reader:
            return (await reader.ask("DESCRIBE")).status == 200
    except OSError:
        return False


async def _is_well(simulator: Simulator, transport: str, url: str = "") -> None:
    """A new session has whole frames from a sync sample on."""
    async with playing(url or simulator.urls[0], transport) as wire:
        units = await wire.units_after(4)
        assert units[0].sync
        assert [unit.mark.frame - units[0].mark.frame for unit in units] == [0, 1, 2, 3]


@BOTH
async def test_a_camera_that_refuses_has_no_listener(transport: str) -> None:
    """Connections are refused; the session there is goes on."""
    async with troubled(step("refuse", for_ms=300)) as (simulator, _):
        async with playing(simulator.urls[0], transport) as wire:
            async with suffering(simulator):
                await wire.more()
                with pytest.raises(ConnectionRefusedError):
                    async with connect(simulator.urls[0]):
                        pytest.fail("it listens")
            assert (await wire.reader.ask("GET_PARAMETER")).status == 200
            await wire.more()
        await _is_well(simulator, transport)


async def test_one_camera_of_a_fleet_refuses_and_the_others_do_not() -> None:
    """Each has a listener of its own."""
    faults = step("refuse", for_ms=300, cameras=("norrby-a",)), step("off", for_ms=300, cameras=("hulta-a",))
    async with troubled(*faults, fleet=FLEET) as (simulator, _):
        async with suffering(simulator):
            assert [await _opens(url) for url in simulator.urls] == [False, True, False]
        assert [await _opens(url) for url in simulator.urls] == [True, True, True]


async def test_a_camera_behind_a_shared_door_hangs_up_on_the_first_request() -> None:
    """Its neighbours answer at the same address, and its own session goes on."""
    async with troubled(step("refuse", for_ms=300, cameras=("cam/0002",)), cameras=2) as (simulator, _):
        async with playing(simulator.urls[1], "tcp") as wire, suffering(simulator):
            async with connect(simulator.urls[1]) as reader:
                reader.transport.write(b"OPTIONS " + simulator.urls[1].encode() + b" RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                await reader.until(lambda: reader.closed)
                assert isinstance(reader.error, ConnectionResetError)
            assert await _opens(simulator.urls[0])
            assert (await wire.reader.ask("GET_PARAMETER")).status == 200
        assert await _opens(simulator.urls[1])


@BOTH
@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("401", {"OPTIONS": 200, "DESCRIBE": 401, "SETUP": 401}),
        ("404", {"OPTIONS": 200, "DESCRIBE": 404, "SETUP": 404}),
        ("453", {"OPTIONS": 200, "DESCRIBE": 200, "SETUP": 453}),
        ("503", {"OPTIONS": 200, "DESCRIBE": 503, "SETUP": 503}),
    ],
)
async def test_requests_are_refused_with_a_status(fault: str, statuses: dict[str, int], transport: str) -> None:
    """Sessions end, so that somebody notices; afterwards it is as before."""
    async with troubled(step(fault, for_ms=300)) as (simulator, _):
        async with playing(simulator.urls[0], transport) as wire, suffering(simulator):
            await wire.until(lambda: wire.reader.closed)
            async with connect(simulator.urls[0]) as reader:
                answers = {method: await reader.ask(method) for method in ("OPTIONS", "DESCRIBE")}
                answers["SETUP"] = await reader.set_up()
                assert {method: answer.status for method, answer in answers.items()} == statuses
                if fault == "401":
                    assert "nonce=" in answers["SETUP"].headers["WWW-Authenticate"]
        await _is_well(simulator, transport)


@BOTH
async def test_silence_after_play(transport: str) -> None:
    """PLAY is answered as ever, nothing follows; when it is over the same session begins with a sync sample."""
    async with (
        troubled(step("silence", for_ms=300, cameras=("cam/0001",)), cameras=2) as (simulator, log),
        playing(simulator.urls[1], "tcp"),
        AsyncExitStack() as fault,
    ):
        async with playing(simulator.urls[0], transport) as wire:
            await fault.enter_async_context(suffering(simulator))
            await wire.until(lambda: wire.reader.closed)
        sent = len(log)
        async with wired(simulator.urls[0], transport) as wire:
            response = await wire.reader.ask("PLAY")
            assert response.status == 200
            assert "RTP-Info" in response.headers
            await passed(log, "cam/0002", 6)
            assert (wire.packets, {frame.camera for frame in log[sent:]}) == ([], {"cam/0002"})
            await fault.aclose()
            (first, *_) = await wire.units_after(3)
            assert first.sync
            assert f"seq={wire.packets[0].sequence};" in response.headers["RTP-Info"]


@BOTH
async def test_a_stalled_camera_goes_on_at_a_sync_sample(transport: str) -> None:
    """The connection stays and answers, packets are numbered on without a gap."""
    fault = step("stall", for_ms=300, cameras=("cam/0001",))
    async with watched(transport, fault, cameras=2) as (simulator, wire), playing(simulator.urls[1], "tcp"):

        def stalled() -> list[int]:
            return [frame.frame for frame in wire.log if frame.camera == "cam/0001"]

        async with suffering(simulator):
            await passed(wire.log, "cam/0002", 8)
        sent = stalled()
        assert (await wire.reader.ask("GET_PARAMETER")).status == 200
        await wire.until(lambda: len(stalled()) >= len(sent) + 3)
        units = await wire.units_after(len(sent) + 3)
        assert [unit.mark.frame for unit in units] == stalled()[: len(units)]
        after = next(unit for unit in units if unit.mark.frame not in sent)
        assert after.sync
        assert after.mark.frame - sent[-1] >= 6
        sequences = [packet.sequence for packet in wire.packets]
        assert {(after - before) & 0xFFFF for before, after in itertools.pairwise(sequences)} == {1}
        assert not any(wire.spoiled().values())


@BOTH
async def test_a_camera_that_is_off_says_nothing_and_its_connections_are_reset_when_it_is_back(transport: str) -> None:
    """Nothing is answered and nothing is closed meanwhile, not even when the session's timeout has passed."""
    fault = step("off", for_ms=1500, cameras=("norrby-a",))
    async with troubled(fault, session_timeout_s=1, fleet=FLEET) as (simulator, log):
        async with playing(simulator.urls[0], transport, log) as wire:
            async with suffering(simulator), connect(simulator.urls[1]) as later:
                sent = len(log)
                wire.reader.transport.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 99\r\n\r\n")
                with pytest.raises(ConnectionRefusedError):
                    async with connect(simulator.urls[0]):
                        pytest.fail("it listens")
                await later.until(lambda: later.closed)  # by its own timeout: that of the first has passed as well
                assert not wire.reader.closed
            await wire.until(lambda: wire.reader.closed)
            assert isinstance(wire.reader.error, ConnectionResetError)
            assert wire.reader._responses.empty()
            assert len(log) == sent
        await _is_well(simulator, transport)


async def test_connections_of_a_camera_that_was_off_are_reset_also_if_nobody_asked_anything() -> None:
    """Not closed in good order: it knows nothing of them any more."""
    async with watched("udp", step("off", for_ms=200)) as (simulator, wire):
        async with suffering(simulator):
            assert not wire.reader.closed
        await wire.until(lambda: wire.reader.closed)
        assert isinstance(wire.reader.error, ConnectionResetError)


async def test_all_cameras_at_once_off_and_on() -> None:
    """A city's power fails: nobody is there, then everybody."""
    async with troubled(step("off", for_ms=300), fleet=FLEET) as (simulator, _):
        async with suffering(simulator):
            assert not any([await _opens(url) for url in simulator.urls])
        assert all([await _opens(url) for url in simulator.urls])


async def test_a_site_is_its_cameras() -> None:
    """Nobody else is touched."""
    fault = replace(step("404", for_ms=300, cameras=()), sites=("norrby",))
    async with troubled(fault, fleet=FLEET) as (simulator, _), suffering(simulator):
        assert [await _opens(url) for url in simulator.urls] == [False, False, True]


async def test_no_parameter_sets_anywhere() -> None:
    """Neither in the description nor in the stream; those frames are of no use to anybody, and the log says so."""
    async with troubled(step("no-sps", for_ms=400)) as (simulator, log), AsyncExitStack() as fault:
        async with playing(simulator.urls[0], "tcp") as wire:
            await fault.enter_async_context(suffering(simulator))
            await wire.until(lambda: wire.reader.closed)
        log.clear()
        async with wired(simulator.urls[0], "tcp", log) as wire:
            (track,) = sdp.parse((await wire.reader.ask("DESCRIBE")).body).media
            assert "sprop-parameter-sets" not in track.fmtp
            assert (await wire.reader.ask("PLAY")).status == 200
            units = await wire.units_after(6)
            assert {kind for unit in units for kind in unit.kinds} == {1, 5, 6}
            assert all(wire.spoiled()[unit.mark.frame] for unit in units)
            await fault.aclose()
            await wire.until(lambda: not log[-1].spoiled)
            well = [sent for sent in log if not sent.spoiled]
            assert well[0].sync
            (track,) = sdp.parse((await wire.reader.ask("DESCRIBE")).body).media
            assert "sprop-parameter-sets" in track.fmtp


async def test_faults_of_the_options_are_there_from_the_beginning() -> None:
    """Before anybody can connect."""
    options = replace(QUICK, faults=(step("404"),))
    async with Simulator(options) as simulator, connect(simulator.urls[0]) as reader:
        assert (await reader.ask("DESCRIBE")).status == 404
