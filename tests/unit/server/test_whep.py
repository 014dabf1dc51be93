"""Live pictures over WebRTC: who gets an answer, what comes then, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPsfbPacket

from media.url import CameraUrl
from playback import whep
from storage.model import DesiredCamera
from tests.builders_live import Studio, studios
from tests.builders_playback import Archive, film
from tests.builders_server import serving
from tests.waiting import eventually

FILM = film(50, gop=25, jitter_ticks=0)
LONG = film(100, gop=100, jitter_ticks=0)
HIGH, KNOWN = "profile-level-id=64001f", "profile-level-id=42e01f"
SDP = {"Content-Type": "application/sdp"}
TOKEN = "a-token-of-at-least-16"


@pytest.fixture(name="archive")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.create(tmp_path)
    yield archive
    await archive.close()


@asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    """A viewer that is no browser: aiortc's own receiver, which decodes what it gets."""
    made = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield made
    await made.close()


async def offer_of(viewer: RTCPeerConnection) -> str:
    """What it would receive. It decodes High as well, but does not say so."""
    viewer.addTransceiver("video", direction="recvonly")
    await viewer.setLocalDescription(await viewer.createOffer())
    return viewer.localDescription.sdp.replace(KNOWN, HIGH)


@asynccontextmanager
async def filming(studio: Studio) -> AsyncIterator[None]:
    """A camera that sends the film at ten times its speed, round and round, and has begun."""

    async def send() -> None:
        while True:
            studio.send(1)
            await asyncio.sleep(0.004)

    sending = asyncio.ensure_future(send())
    await eventually("pictures come", lambda: studio.sent > 0)
    yield
    sending.cancel()


@asynccontextmanager
async def camera_of(archive: Archive, studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    """The API over a camera that sends."""
    async with studios(archive, {archive.camera.stream: studio}), serving(archive) as http, filming(studio):
        yield http


async def decoded(track: MediaStreamTrack) -> bytes:
    """The next picture."""
    frame = await track.recv()
    pixels: bytes = frame.to_ndarray(format="yuv420p").tobytes()  # type: ignore[union-attr]
    return pixels


async def number(track: MediaStreamTrack) -> int:
    """Which picture of the long film is the next one."""
    return LONG.pictures.index(await decoded(track))


async def call(http: httpx.AsyncClient, offer: str, camera: str = "gate", **headers: str) -> httpx.Response:
    """Ask to watch."""
    return await http.post(f"/api/v1/cameras/{camera}/whep", content=offer, headers={**SDP, **headers})


async def test_a_viewer_sees_what_the_camera_sent(archive: Archive) -> None:
    """Decoded pictures, to the pixel, in their order; nothing was encoded again."""
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        tracks: list[MediaStreamTrack] = []
        viewer.on("track", tracks.append)
        answer = await call(http, await offer_of(viewer))
        assert answer.status_code == 201, answer.text
        assert answer.headers["Content-Type"] == "application/sdp"
        await viewer.setRemoteDescription(RTCSessionDescription(sdp=answer.text.replace(HIGH, KNOWN), type="answer"))
        numbers = []
        for _ in range(60):
            async with asyncio.timeout(20):
                numbers.append(FILM.pictures.index(await decoded(tracks[0])))
        steps = {(later - earlier) % 50 for earlier, later in pairwise(numbers)}
        assert steps == {1}, numbers
        assert 'hulta_live_viewers{door="webrtc"} 1.0' in (await http.get("/metrics")).text
        ended = await http.delete(answer.headers["Location"])
        assert ended.status_code == 200
        await eventually("the viewer hears of it", lambda: viewer.connectionState in {"closed", "failed"}, seconds=10)


@pytest.mark.parametrize("request_kind", [RTCP_PSFB_PLI, RTCP_PSFB_FIR])
async def test_a_viewer_that_lost_the_picture_gets_its_group_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, request_kind: int
) -> None:
    """From the sync sample on and up to the present, once however often it asks meanwhile, and again later on."""
    monkeypatch.setattr(whep, "AGAIN_US", 50_000)
    monkeypatch.setattr(whep, "MOST_HURRY_US", 1 << 60)
    studio = Studio(LONG)
    async with camera_of(archive, studio) as http, peer() as viewer:
        tracks: list[MediaStreamTrack] = []
        viewer.on("track", tracks.append)
        answer = await call(http, await offer_of(viewer))
        await viewer.setRemoteDescription(RTCSessionDescription(sdp=answer.text.replace(HIGH, KNOWN), type="answer"))
        (receiver,) = viewer.getReceivers()
        for _ in range(2):
            async with asyncio.timeout(20):
                seen = [await number(tracks[0]) for _ in range(200)]
                while seen[-1] != 60:
                    seen.append(await number(tracks[0]))
                assert {(later - earlier) % 100 for earlier, later in pairwise(seen)} == {1}
                (source,) = receiver.getSynchronizationSources()
                asked = bytes(RtcpPsfbPacket(fmt=request_kind, ssrc=7, media_ssrc=source.source))
                after = [60]
                for _ in range(15):
                    await receiver.transport._send_rtp(asked)
                    after += [await number(tracks[0]) for _ in range(3)]
                after += [await number(tracks[0]) for _ in range(50)]
            returns = [later for earlier, later in pairwise(after) if later != (earlier + 1) % 100]
            assert returns == [0], after


async def test_the_answer_names_one_address_and_one_codec(archive: Archive) -> None:
    """The address that the request came to; H.264 as it was offered, and no VP8."""
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        text = (await call(http, await offer_of(viewer))).text
    candidates = [line for line in text.splitlines() if line.startswith("a=candidate:")]
    assert {line.split()[4] for line in candidates} == {"127.0.0.1"}
    assert {line.split()[7] for line in candidates} == {"host"}
    assert HIGH in text
    assert "VP8" not in text
    assert "a=sendonly" in text


async def has_room(http: httpx.AsyncClient, offer: str) -> None:
    """Wait until one more is answered."""
    answered = asyncio.Event()
    async with asyncio.timeout(10):
        while not answered.is_set():
            if (await call(http, offer)).status_code == 201:
                answered.set()


async def test_a_session_that_is_never_connected_ends(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked did not come."""
    monkeypatch.setattr(whep, "MOST_SESSIONS", 1)
    monkeypatch.setattr(whep, "CONNECT_S", 0.5)
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        offer = await offer_of(viewer)
        assert (await call(http, offer)).status_code == 201
        assert (await call(http, offer)).status_code == 503
        await has_room(http, offer)


async def test_sessions_are_bounded(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told so; one that is ended makes room."""
    monkeypatch.setattr(whep, "MOST_SESSIONS", 1)
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        offer = await offer_of(viewer)
        first = await call(http, offer)
        second = await call(http, offer)
        assert (second.status_code, second.json()["type"]) == (503, "urn:hulta:problem:too-many")
        await http.delete(first.headers["Location"])
        await has_room(http, offer)


async def test_a_session_is_ended_under_its_own_camera_only(archive: Archive) -> None:
    """And its address changes nothing else: trickled candidates are not taken (405), as the answer has them all."""
    desired = DesiredCamera(name="yard", url=CameraUrl.parse("rtsp://10.0.0.9/"))
    await archive.catalog.inventory.add(desired, site="town")
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        location = (await call(http, await offer_of(viewer))).headers["Location"]
        session = location.rpartition("/")[2]
        assert (await http.delete(f"/api/v1/cameras/yard/whep/{session}")).status_code == 404
        assert (await http.patch(location, content="a=candidate")).status_code == 405
        assert (await http.get(location)).status_code == 405
        assert (await http.delete(location)).status_code == 200


async def test_b_frames_are_refused_with_a_sentence(archive: Archive) -> None:
    """They would be shown in the order they are sent."""
    studio = Studio(film(50, gop=25, b_frames=2, jitter_ticks=0))
    async with camera_of(archive, studio) as http, peer() as viewer:
        answer = await call(http, await offer_of(viewer))
    assert (answer.status_code, answer.json()["type"]) == (406, "urn:hulta:problem:unfit")
    assert "the camera sends B-frames" in answer.json()["detail"]


async def test_an_offer_without_the_cameras_profile_is_refused(archive: Archive) -> None:
    """And not answered with VP8, under whose number H.264 would be sent."""
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        answer = await call(http, (await offer_of(viewer)).replace(HIGH, KNOWN))
    assert answer.status_code == 406
    assert "sends H.264 High, and the offer has no" in answer.json()["detail"]


async def test_a_camera_without_a_picture_is_said(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words; the connection would be one without a picture."""
    monkeypatch.setattr(whep, "FIRST_PICTURE_S", 0.3)
    async with studios(archive, {}), serving(archive) as http, peer() as viewer:
        answer = await call(http, await offer_of(viewer))
    assert answer.status_code == 404
    assert answer.json()["detail"] == "no picture came within 0 s (this stream is not recorded here)"


async def test_a_camera_that_stalls_before_its_order_is_known_is_said(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first picture came; for whether it has B-frames, more of them would have to."""
    monkeypatch.setattr(whep, "FIRST_PICTURE_S", 2)
    monkeypatch.setattr(whep, "ORDER_KNOWN", 1 << 30)
    async with camera_of(archive, Studio(FILM)) as http, peer() as viewer:
        answer = await call(http, await offer_of(viewer))
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("no picture came within 2 s")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"v=0\r\n" + b"a=x\r\n" * 1_000_000, "application/sdp", 413),
        (b"{}", "application/json", 415),
        (b"v=0", "text/plain", 415),
        (b"\xff\xfe", "application/sdp", 400),
        (b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "application/sdp", 406),
        (b"", "application/sdp", 400),
    ],
)
async def test_what_is_no_offer_is_refused(archive: Archive, body: bytes, content_type: str, status: int) -> None:
    """Megabytes are not read to their end."""
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http:
        answer = await http.post("/api/v1/cameras/gate/whep", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_offer_that_the_library_chokes_on_is_a_wrong_request(archive: Archive) -> None:
    """Whatever it raises."""
    studio = Studio(FILM)
    async with camera_of(archive, studio) as http, peer() as viewer:
        offer = await offer_of(viewer)
        for line in ("a=setup:nonsense", "a=fingerprint:one", "a=extmap:x y", "a=ssrc:z", "a=group:"):
            answer = await call(http, f"{offer}{line}\r\n")
            assert answer.status_code in {201, 400}, line
        answer = await call(http, offer.replace("a=setup:actpass", "a=setup:nonsense"))
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:hulta:problem:wrong-request")


async def test_nobody_watches_without_the_token_or_from_another_site(archive: Archive) -> None:
    """As everywhere."""
    async with serving(archive, token=TOKEN) as http:
        assert (await call(http, "v=0")).status_code == 401
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert (await call(http, "v=0", **allowed, Origin="https://evil.example")).status_code == 403
        assert (await http.delete("/api/v1/cameras/gate/whep/x")).status_code == 401
        assert (await http.delete("/api/v1/cameras/gate/whep/x", headers=allowed)).status_code == 404
