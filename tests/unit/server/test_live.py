"""Live pictures over a WebSocket: who gets what, and who gets nothing."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import av
import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close

from media.moof import fragment_samples
from media.url import CameraUrl
from playback import live_hub
from server import live_viewer
from server.live_protocol import LiveProtocol
from storage.model import DesiredCamera
from tests.builders_live import Seat, Studio, seat, studios
from tests.builders_playback import TICKS, Archive, film
from tests.builders_server import serving
from tests.waiting import eventually

TOKEN = "a-token-of-at-least-16"
FILM = film(50, gop=25, jitter_ticks=0)


@pytest.fixture(name="archive")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.create(tmp_path)
    yield archive
    await archive.close()


def decoded(content: bytes) -> list[bytes]:
    """The pictures of a file."""
    with av.open(io.BytesIO(content)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


async def watched(studio: Studio) -> None:
    """Wait until the studio is watched."""
    await eventually("it is watched", lambda: studio.live is not None)


async def test_a_viewer_gets_a_description_then_a_file_that_grows(archive: Archive) -> None:
    """Which shows what the camera sent, picture by picture."""
    studio = Studio(FILM)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate") as viewer,
    ):
        await watched(studio)
        studio.send(25)
        said = await viewer.text()
        content = b"".join([await viewer.bytes() for _ in range(26)])
        studio.send(25)
        content += b"".join([await viewer.bytes() for _ in range(25)])
    assert (said["type"], said["mime"]) == ("media", f'video/mp4; codecs="{FILM.track.codec}"')
    assert (said["width"], said["height"]) == (128, 96)
    assert decoded(content) == list(FILM.pictures)


async def test_all_viewers_of_a_camera_share_one_subscription(archive: Archive) -> None:
    """And get the same bytes; who comes later begins at the newest sync sample, at once."""
    studio = Studio(FILM)
    async with (
        studios(archive, {archive.camera.stream: studio}) as door,
        serving(archive) as http,
        seat(http.base_url, "gate") as first,
    ):
        await watched(studio)
        studio.send(25)
        await first.text()
        early = [await first.bytes() for _ in range(26)]
        studio.send(5)
        early += [await first.bytes() for _ in range(5)]
        async with seat(http.base_url, str(archive.camera.id)) as second:
            await second.text()
            assert [await second.bytes() for _ in range(6)] == [early[0], *early[26:]]
            assert door.state()["subscribers"] == 1


async def test_a_viewer_may_want_the_next_group(archive: Archive) -> None:
    """Because it cannot decode the present one."""
    studio = Studio(FILM, begun_us=archive.clock.wall_us() - 15 * 40_000)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate", max_queue=None) as first,  # else what it does not read delays its end by 10 s
    ):
        await watched(studio)
        studio.send(20)
        await first.text()
        for _ in range(21):
            await first.bytes()
        async with seat(http.base_url, "gate", query="?begin=next") as viewer:
            studio.send(30)
            await viewer.text()
            content = b"".join([await viewer.bytes() for _ in range(26)])
    assert decoded(content) == list(FILM.pictures[25:])


async def test_a_viewer_of_one_camera_never_gets_anothers_pictures(archive: Archive) -> None:
    """Each reads its own stream."""
    desired = DesiredCamera(name="yard", url=CameraUrl.parse("rtsp://10.0.0.9/"))
    other = await archive.catalog.inventory.add(desired, site="town")
    gate, yard = Studio(FILM), Studio(film(50, gop=25, jitter_ticks=0, seed=8))
    found = {archive.camera.stream: gate, other.stream: yard}
    async with (
        studios(archive, found),
        serving(archive) as http,
        seat(http.base_url, "gate") as first,
        seat(http.base_url, "yard") as second,
    ):
        await watched(gate)
        await watched(yard)
        gate.send(25)
        yard.send(25)
        for viewer, studio in ((first, gate), (second, yard)):
            await viewer.text()
            content = b"".join([await viewer.bytes() for _ in range(26)])
            assert decoded(content) == list(studio.source.pictures[:25])


async def test_a_new_session_or_recorder_is_described_again_to_the_same_viewer(archive: Archive) -> None:
    """The connection stays; a new description and init section come, then fragments from a sync sample on."""
    studio = Studio(FILM)
    async with serving(archive) as http:
        async with studios(archive, {archive.camera.stream: studio}):
            async with asyncio.timeout(20):
                viewer_at = seat(http.base_url, "gate")
                viewer = await viewer_at.__aenter__()
                await watched(studio)
                studio.send(3)
                first = await viewer.text()
                for _ in range(4):
                    await viewer.bytes()
                studio.new_session(film(25, gop=25, size=(160, 96), jitter_ticks=0))
                studio.send(1)
                second = await viewer.text()
                assert (await viewer.bytes())[4:8] == b"ftyp"
                assert (await viewer.bytes())[4:8] == b"moof"
        again = Studio(FILM)
        async with studios(archive, {archive.camera.stream: again}):
            await watched(again)
            again.send(1)
            third = await viewer.text()
            await viewer_at.__aexit__(None, None, None)
    assert [said["width"] for said in (first, second, third)] == [128, 160, 128]
    assert first["zero"] == second["zero"] == third["zero"], "media time runs on"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-token-wrong-token"}, 401),
        ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}, 403),
    ],
)
async def test_without_the_token_or_from_another_site_there_is_no_socket(
    archive: Archive, caplog: pytest.LogCaptureFixture, headers: dict[str, str], status: int
) -> None:
    """Refused before it is one, as problem details; whoever tries fills no log."""
    async with serving(archive, token=TOKEN) as http:
        with pytest.raises(InvalidStatus) as refused:
            async with seat(http.base_url, "gate", additional_headers=headers):
                pass
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert [record for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}] == []


async def test_on_loopback_another_sites_page_gets_no_socket(archive: Archive) -> None:
    """There is no token, and no rule of browsers would hold it back."""
    async with serving(archive) as http:
        port = http.base_url.port
        for origin in ("https://evil.example", f"http://127.0.0.1.evil.example:{port}", "null", f"http://[::1]:{port}"):
            with pytest.raises(InvalidStatus) as refused:
                async with seat(http.base_url, "gate", origin=origin):
                    pass
            assert refused.value.response.status_code == 403
        async with seat(http.base_url, "gate", origin=f"http://127.0.0.1:{port}"):
            pass


async def test_an_unknown_camera_is_not_found(archive: Archive) -> None:
    """As everywhere."""
    async with serving(archive) as http:
        with pytest.raises(InvalidStatus) as refused:
            async with seat(http.base_url, "nowhere"):
                pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["type"] == "urn:hulta:problem:not-found"


@pytest.mark.parametrize("bound", ["MOST_VIEWERS", "MOST_OF_A_CAMERA"])
async def test_one_viewer_too_many_is_told_so(archive: Archive, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """The others stay."""
    monkeypatch.setattr(live_hub, bound, 1)
    studio = Studio(FILM)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate") as viewer,
    ):
        await watched(studio)
        with pytest.raises(InvalidStatus) as refused:
            async with seat(http.base_url, "gate"):
                pass
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body)["type"] == "urn:hulta:problem:too-many"
        assert await _told(http, "hulta_live_refused_total") == 1
        studio.send(1)
        await viewer.text()


async def test_the_camera_watched_longest_ago_makes_room(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that nobody watches any more is followed for a while, but not at the cost of one that somebody wants."""
    monkeypatch.setattr(live_hub, "MOST_CAMERAS", 1)
    desired = DesiredCamera(name="yard", url=CameraUrl.parse("rtsp://10.0.0.9/"))
    other = await archive.catalog.inventory.add(desired, site="town")
    gate, yard = Studio(FILM), Studio(FILM)
    async with studios(archive, {archive.camera.stream: gate, other.stream: yard}), serving(archive) as http:
        async with seat(http.base_url, "gate"):
            await watched(gate)
            with pytest.raises(InvalidStatus):
                async with seat(http.base_url, "yard"):
                    pass
        async with asyncio.timeout(10):
            while True:
                try:
                    async with seat(http.base_url, "yard"):
                        await watched(yard)
                        break
                except InvalidStatus:
                    await asyncio.sleep(0.01)
        await eventually("gate is not followed any more", lambda: gate.live is None)


async def test_who_talks_is_closed(archive: Archive) -> None:
    """Nothing is expected from a viewer."""
    studio = Studio(FILM)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate") as viewer,
    ):
        await viewer.socket.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            await viewer.bytes()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == live_viewer.UNEXPECTED


async def test_a_camera_that_sends_nothing_is_said(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a code of its own, and why as far as that is known."""
    monkeypatch.setattr(live_viewer, "NOTHING_CAME_S", 0.5)
    async with studios(archive, {}), serving(archive) as http, seat(http.base_url, "gate") as viewer:
        with pytest.raises(ConnectionClosed) as closed:
            await viewer.bytes()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == live_viewer.NOTHING_CAME
    assert closed.value.rcvd.reason.endswith("this stream is not recorded here")


@pytest.fixture(name="doors")
def _doors(monkeypatch: pytest.MonkeyPatch) -> list[LiveProtocol]:
    """The server's side of every WebSocket."""
    found: list[LiveProtocol] = []
    made = LiveProtocol.connection_made

    def noted(self: LiveProtocol, transport: asyncio.Transport) -> None:
        found.append(self)
        made(self, transport)

    monkeypatch.setattr(LiveProtocol, "connection_made", noted)
    return found


LOUD = film(25, gop=25, size=(640, 480), jitter_ticks=0)
MOST_PICTURE_BYTES = max(len(unit.nals) for unit in LOUD.units)
STALLING = {"max_queue": 1, "ping_interval": None, "close_timeout": 0.1}


async def test_fifty_who_do_not_read_cost_the_others_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, doors: list[LiveProtocol]
) -> None:
    """One who reads gets every picture. What waits for the others is bounded; they are closed, and told why."""
    monkeypatch.setattr(live_viewer, "TAKE_S", 1.0)
    studio = Studio(LOUD)
    async with (
        studios(archive, {archive.camera.stream: studio}) as record,
        serving(archive) as http,
        AsyncExitStack() as seats,
    ):
        stalled = [await seats.enter_async_context(seat(http.base_url, "gate", **STALLING)) for _ in range(50)]
        healthy = await seats.enter_async_context(seat(http.base_url, "gate"))
        await watched(studio)
        studio.send(1)
        await healthy.text()
        assert (await healthy.bytes())[4:8] == b"ftyp"
        assert (await healthy.bytes())[4:8] == b"moof"
        ticks = [0]
        async with asyncio.timeout(30):
            while sum(door.close_sent for door in doors) < 50:
                studio.send(25)
                ticks = [*ticks[-1:], *[_decode_ticks(await healthy.bytes()) for _ in range(25)]]
                assert {after - before for before, after in pairwise(ticks) if before} == {TICKS}
                assert max(door.transport.get_write_buffer_size() for door in doors) <= 128 * 1024 + MOST_PICTURE_BYTES
                assert record.state()["bytes"] <= 3 * 25 * MOST_PICTURE_BYTES
        assert len(doors) == 51
        for viewer in stalled:
            assert (await _closed(viewer)).code == live_viewer.TOO_SLOW
        assert await _told(http, 'hulta_live_cut_total{door="websocket"}') == 50
        assert await _told(http, 'hulta_live_viewers{door="websocket"}') == 1
        assert await _told(http, 'hulta_live_bytes{role="serve"}') > MOST_PICTURE_BYTES


async def test_a_viewer_that_never_reads_is_cut_off(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, doors: list[LiveProtocol]
) -> None:
    """The close is written behind what waits; where nothing is taken, nothing would ever end it but this."""
    monkeypatch.setattr(live_viewer, "TAKE_S", 0.3)
    studio = Studio(LOUD)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate", **STALLING),
    ):
        await watched(studio)
        doors[0].close_timeout = 0.3

        def cut() -> bool:
            studio.send(25)
            return doors[0].disconnected

        await eventually("it is cut off", cut)


async def test_a_slow_viewer_goes_on_at_a_sync_sample_and_is_closed_if_that_does_not_help(archive: Archive) -> None:
    """What it missed it is not sent. Six times within a minute is more than a passing trouble."""
    studio = Studio(LOUD)
    async with (
        studios(archive, {archive.camera.stream: studio}),
        serving(archive) as http,
        seat(http.base_url, "gate", **STALLING) as viewer,
    ):
        await watched(studio)
        studio.send(1)
        await viewer.text()
        init, sync = await viewer.bytes(), await viewer.bytes()
        assert (init[4:8], sync[4:8]) == (b"ftyp", b"moof")
        starts: list[int] = []

        async def look_now_and_then() -> None:
            while True:
                for _ in range(40):
                    studio.send(25)
                    await asyncio.sleep(0)
                starts.extend(_after_holes([await viewer.bytes() for _ in range(25)]))

        with pytest.raises(ConnectionClosed) as closed:
            await look_now_and_then()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == live_viewer.TOO_SLOW
        assert closed.value.rcvd.reason == "the pictures come faster than they are taken"
        assert starts
        assert all(starts), "what follows a hole is a sync sample"
        assert await _told(http, 'hulta_live_skips_total{door="websocket"}') == live_viewer.MOST_RESYNCS + 1
        assert await _told(http, 'hulta_live_cut_total{door="websocket"}') == 1


async def _told(http: httpx.AsyncClient, metric: str) -> float:
    """What the metrics say."""
    lines = (await http.get("/metrics")).text.splitlines()
    (value,) = [line.removeprefix(f"{metric} ") for line in lines if line.startswith(f"{metric} ")]
    return float(value)


def _after_holes(pieces: list[bytes]) -> list[bool]:
    """Of each fragment before which pictures are missing: whether it is a sync sample."""
    times = [fragment_samples(_moof(piece)) for piece in pieces]
    return [samples[0].sync for (before, _), (after, samples) in pairwise(times) if after - before > 2 * TICKS]


def _decode_ticks(piece: bytes) -> int:
    return fragment_samples(_moof(piece))[0]


def _moof(piece: bytes) -> bytes:
    return piece[: int.from_bytes(piece[:4], "big")]


async def _closed(viewer: Seat) -> Close:
    """Read to the end."""
    with pytest.raises(ConnectionClosed) as closed:
        await _read(viewer)
    assert closed.value.rcvd is not None
    return closed.value.rcvd


async def _read(viewer: Seat) -> None:
    while True:
        await viewer.socket.recv()
