"""The HTTP API on a real socket, over an archive whose every frame is known."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from media.verification import verify
from playback.timerange import format_instant
from server.status_socket import answering
from storage.layout import Layout
from storage.spool_reader import DurableMark
from tests.builders_playback import NOON_US, RUN, Archive, film, frames_by_pyav
from tests.builders_server import recorder, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.builders_playback import Recorded

pytestmark = pytest.mark.scenario

PROBLEM = "application/problem+json"
API = "/api/v1/cameras/gate"


@pytest.fixture(name="archive")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.create(tmp_path, now_us=NOON_US + 3_000_000)
    yield archive
    await archive.close()


@pytest.fixture(name="recorded")
async def _recorded(archive: Archive) -> list[Recorded]:
    """Two seconds, stored."""
    recorded = archive.record(film())
    for segment in recorded:
        await archive.ship(segment)
    return recorded


@pytest.fixture(name="http")
async def _http(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(archive) as http:
        yield http


def within(start_s: float, end_s: float) -> dict[str, str]:
    """A range in seconds after noon."""
    return {"from": at(start_s), "to": at(end_s)}


def at(seconds: float) -> str:
    """An instant in seconds after noon."""
    return format_instant(NOON_US + round(seconds * 1_000_000))


async def test_cameras_have_the_fields_of_the_contract(http: httpx.AsyncClient, archive: Archive) -> None:
    """All of them, and no other; the recorder's word on the state, `since` in UTC with microseconds."""
    said = recorder(archive.camera, since_us=NOON_US)
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        (camera,) = (await http.get("/api/v1/cameras")).json()
        assert camera == {
            "id": str(archive.camera.id),
            "name": "gate",
            "site": "town",
            "enabled": True,
            "state": "recording",
            "reason": None,
            "since": "2026-11-18T12:00:00.000000Z",
            "durable_through": None,
            "bitrate_bps": 4_000_000,
            "camera_clock_offset_us": -120_000,
        }
        for name in (str(archive.camera.id), "gate"):
            assert (await http.get(f"/api/v1/cameras/{name}")).json() == camera


async def test_the_recorder_says_which_fragment_is_durable(http: httpx.AsyncClient, archive: Archive) -> None:
    """By run, epoch, segment and fragment; null where there is none yet; 503 while the recorder does not answer."""
    silent = await http.get("/api/v1/recording")
    assert (silent.status_code, silent.json()["detail"]) == (503, "the recorder does not answer")
    durable = {"epoch": 3, "sequence": 7, "fragment": 2, "through_us": NOON_US}
    said = recorder(archive.camera, durable=durable, detail="it was slow", conditions={"camera_clock": NOON_US})
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        async with asyncio.timeout(5):
            while (answer := await http.get("/api/v1/recording")).status_code == 503:
                pass  # the last look may be 0.2 s old
        assert answer.json() == {
            "run": "00000000000000aa",
            "cameras": [
                {
                    "id": str(archive.camera.id),
                    "name": "gate",
                    "detail": "it was slow",
                    "conditions": {"camera_clock": "2026-11-18T12:00:00.000000Z"},
                    "durable": {
                        "run": "00000000000000aa",
                        "epoch": 3,
                        "sequence": 7,
                        "fragment": 2,
                        "through": "2026-11-18T12:00:00.000000Z",
                    },
                }
            ],
        }


async def test_remarks_are_of_those_there_is_a_word_of(http: httpx.AsyncClient, archive: Archive) -> None:
    """Why one fails, in words; nothing of a camera that is as it should be."""
    said = recorder(archive.camera, conditions={"camera_clock": NOON_US}, detail="its clock is wrong")
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        clock = {"kind": "camera_clock", "since": at(0), "words": "its clock is 0.1 s slow"}
        answer = (await http.get("/api/v1/remarks")).json()
        assert answer == [{"id": str(archive.camera.id), "detail": None, "remarks": [clock]}]
        (stream,) = said["streams"].values()
        stream |= {"conditions": {}, "state": "failed", "detail": "DESCRIBE was answered with 401"}
        failed = {"id": str(archive.camera.id), "detail": "DESCRIBE was answered with 401", "remarks": []}
        await told(http, [failed])
        stream |= {"state": "recording"}
        await told(http, [])


async def told(http: httpx.AsyncClient, remarks: list[dict[str, object]]) -> None:
    """Wait for these: the last look at the recorder may be 0.2 s old."""
    async with asyncio.timeout(10):
        while (await http.get("/api/v1/remarks")).json() != remarks:
            pass


async def test_a_camera_without_a_durable_fragment_has_none(http: httpx.AsyncClient, archive: Archive) -> None:
    """A run that began a moment ago has announced nothing."""
    said = recorder(archive.camera)
    async with answering(Layout(archive.root).socket("record"), lambda: said):
        (camera,) = (await http.get("/api/v1/recording")).json()["cameras"]
        assert camera["durable"] is None


async def test_the_timeline_tells_what_is_there_and_what_is_not(
    http: httpx.AsyncClient, recorded: list[Recorded]
) -> None:
    """A span with its bytes, between what was not recorded."""
    answer = (await http.get(f"{API}/timeline", params=within(-1, 2.5))).json()
    (span,) = answer["spans"]
    assert (span["from"], span["segments"], span["damaged"]) == (at(0), len(recorded), 0)
    assert span["bytes"] == sum(len(segment.sealed) for segment in recorded)
    assert list(answer) == ["camera", "from", "to", "spans", "gaps", "expired", "missing", "pending", "events"]
    assert (answer["from"], answer["to"]) == (at(-1), at(2.5))


async def test_a_video_is_exactly_the_range(http: httpx.AsyncClient, recorded: list[Recorded]) -> None:
    """The frames presented in [from, to), decoded and compared picture by picture; the headers say what it is."""
    response = await http.get(f"{API}/video.mp4", params=within(0.5, 1.25))
    shots = [shot for segment in recorded for shot in segment.shots]
    wanted = [shot for shot in shots if NOON_US + 500_000 <= shot.wall_us < NOON_US + 1_250_000]
    assert [picture for _, picture in frames_by_pyav(response.content)] == [shot.picture for shot in wanted]
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["hulta-sound"] == "none"
    assert response.headers["hulta-from"] == at(0.5)
    assert response.headers["hulta-to"] == at(1.25)
    assert response.headers["hulta-complete"] == "true"
    assert response.headers["hulta-first-frame"] == format_instant(wanted[0].wall_us)
    assert response.headers["content-disposition"].startswith('inline; filename="gate-20261118T120000Z.mp4"')


@pytest.mark.usefixtures("recorded")
async def test_a_video_is_served_in_parts_that_make_the_whole(http: httpx.AsyncClient) -> None:
    """As a player asks for it: HEAD, ranges, validators."""
    params = within(0, 2)
    whole = await http.get(f"{API}/video.mp4", params=params)
    head = await http.head(f"{API}/video.mp4", params=params)
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(whole.content)), whole.headers["etag"])
    middle = len(whole.content) // 2
    parts = [
        await http.get(f"{API}/video.mp4", params=params, headers={"Range": text, "If-Range": whole.headers["etag"]})
        for text in (f"bytes=0-{middle - 1}", f"bytes={middle}-")
    ]
    assert [part.status_code for part in parts] == [206, 206]
    assert b"".join(part.content for part in parts) == whole.content
    unchanged = await http.get(f"{API}/video.mp4", params=params, headers={"If-None-Match": whole.headers["etag"]})
    assert unchanged.status_code == 304
    outside = await http.get(f"{API}/video.mp4", params=params, headers={"Range": f"bytes={len(whole.content)}-"})
    assert (outside.status_code, outside.headers["content-type"]) == (416, PROBLEM)


async def test_a_playlist_refers_to_bytes_that_are_served(http: httpx.AsyncClient, recorded: list[Recorded]) -> None:
    """Every URI and byte range of it gives bytes of the stored files."""
    response = await http.get(f"{API}/playlist.m3u8", params=within(0, 2))
    assert response.headers["content-type"] == "application/vnd.apple.mpegurl"
    files = {str(segment.identity.segment_id): segment.sealed for segment in recorded}
    lines = response.text.splitlines()
    ranges = [line.removeprefix("#EXT-X-BYTERANGE:") for line in lines if line.startswith("#EXT-X-BYTERANGE:")]
    uris = [line for line in lines if not line.startswith("#")]
    assert len(ranges) == len(uris) > 0
    for uri, text in zip(uris, ranges, strict=True):
        length, offset = map(int, text.split("@"))
        part = await http.get(uri, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
        name = uri.rpartition("/")[2].removesuffix(".mp4")
        assert (part.status_code, part.content) == (206, files[name][offset : offset + length])


async def test_a_frame_is_the_picture_of_that_instant(http: httpx.AsyncClient, recorded: list[Recorded]) -> None:
    """As JPEG, with the time at which it was taken."""
    response = await http.get(f"{API}/frame.jpg", params={"at": at(1.0)})
    taken = max(shot.wall_us for segment in recorded for shot in segment.shots if shot.wall_us <= NOON_US + 1_000_000)
    assert (response.headers["content-type"], response.headers["hulta-at"]) == ("image/jpeg", format_instant(taken))
    assert response.content[:3] == b"\xff\xd8\xff"


@pytest.mark.usefixtures("recorded")
async def test_times_may_have_any_offset_and_a_plus_that_became_a_space(http: httpx.AsyncClient) -> None:
    """`+01:00` in a URL that nobody escaped still means what was written."""
    utc = await http.get(f"{API}/video.mp4", params=within(0, 1))
    local = await http.get(f"{API}/video.mp4?from=2026-11-18T13:00:00+01:00&to=2026-11-18T13:00:01+01:00")
    assert (local.status_code, local.content) == (200, utc.content)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"{API}/timeline", 400, '"from" is missing'),
        (f"{API}/timeline?from=2026-11-18T12:00:00Z", 400, '"to" is missing'),
        (f"{API}/timeline?from=yesterday&to=2026-11-18T12:00:00Z", 400, "is not an RFC 3339 instant"),
        (f"{API}/calendar", 400, '"from" is missing'),
        (f"{API}/calendar?from=2026-11-18T12:00:00Z&to=2026-11-18T12:00:00Z", 400, "must lie before"),
        (f"{API}/calendar?from=2026-11-18T12:00:00Z&to=2027-02-19T12:00:01Z", 400, "more than 93 days apart"),
        ("/api/v1/cameras/nobody/calendar?from=2026-11-18T11:00:00Z&to=2026-11-18T11:00:01Z", 404, "nobody"),
        (f"{API}/video.mp4?from=2026-11-18T12:00:00&to=2026-11-18T12:00:01Z", 400, "has no time zone"),
        (f"{API}/video.mp4?from=2026-11-18T12:00:01Z&to=2026-11-18T12:00:01Z", 400, "must lie before"),
        (f"{API}/video.mp4?from=2026-11-18T12:00:02Z&to=2026-11-18T12:00:01Z", 400, "must lie before"),
        (f"{API}/playlist.m3u8?from=2026-11-18T12:00:02Z&to=2026-11-18T12:00:01Z", 400, "must lie before"),
        (f"{API}/frame.jpg", 400, '"at" is missing'),
        (f"{API}/frame.jpg?at={'9' * 100}", 400, "at"),
        ("/api/v1/segments/17.mp4", 400, "segment_id"),
        ("/api/v1/segments/00000000-0000-4000-8000-000000000000.mp4", 404, "no segment"),
        (f"{API}/video.mp4?from=2026-11-18T11:00:00Z&to=2026-11-18T11:00:01Z", 404, "no footage"),
        (f"{API}/playlist.m3u8?from=2026-11-18T11:00:00Z&to=2026-11-18T11:00:01Z", 404, "no footage"),
        (f"{API}/frame.jpg?at=2026-11-18T11:00:00Z", 404, "nothing was recorded"),
        ("/api/v1/cameras/nobody", 404, "nobody"),
        ("/api/v1/cameras/nobody/timeline?from=2026-11-18T11:00:00Z&to=2026-11-18T11:00:01Z", 404, "nobody"),
        (f"/api/v1/cameras/{quote('../../etc/passwd', safe='')}", 404, "Not Found"),
        ("/nowhere", 404, "Not Found"),
        ("/api/v1/", 404, "Not Found"),
    ],
)
async def test_every_error_is_a_problem_that_says_what_is_wrong(
    http: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    """RFC 9457, whoever raised it: a range, a name, the framework's routes."""
    response = await http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    body = response.json()
    assert body["status"] == status
    assert words in f"{body.get('detail', '')} {body['title']}"


async def test_a_method_that_is_not_served_is_a_problem(http: httpx.AsyncClient) -> None:
    """405 with what is allowed."""
    response = await http.post("/api/v1/cameras")
    assert (response.status_code, response.headers["content-type"], response.headers["allow"]) == (405, PROBLEM, "GET")


async def test_a_catalog_that_is_down_is_503(http: httpx.AsyncClient, archive: Archive) -> None:
    """The API says so, /readyz too; /healthz and /metrics still answer."""
    with closing(sqlite3.connect(archive.root / "catalog.sqlite")) as vandal:
        vandal.execute("ALTER TABLE cameras RENAME TO gone")
        vandal.execute("ALTER TABLE policies RENAME TO lost")
        vandal.commit()
    for path in ("/api/v1/cameras", f"{API}/timeline?from={at(0)}&to={at(1)}", "/readyz"):
        response = await http.get(path)
        assert (path, response.status_code, response.headers["content-type"]) == (path, 503, PROBLEM)
    assert (await http.get("/healthz")).status_code == 200
    assert "hulta_catalog_up 0.0" in (await http.get("/metrics")).text


async def test_an_object_that_vanished_is_404_and_others_are_served(
    http: httpx.AsyncClient, archive: Archive, recorded: list[Recorded]
) -> None:
    """Lost footage is an answer, not a crash."""
    (path,) = (archive.root / "objects").rglob(f"*-{recorded[0].identity.sequence}.mp4")
    path.unlink()
    first, second = (f"/api/v1/segments/{segment.identity.segment_id}.mp4" for segment in recorded[:2])
    response = await http.get(first)
    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)
    assert (await http.get(second)).content == recorded[1].sealed


async def test_a_segment_proves_itself_by_the_head_that_the_catalog_has(
    http: httpx.AsyncClient, recorded: list[Recorded]
) -> None:
    """For `hulta verify --head`. Its pictures alone are another file, which has none."""
    path = f"/api/v1/segments/{recorded[0].identity.segment_id}.mp4"
    answer = await http.get(path)
    found = verify(lambda offset, length: answer.content[offset : offset + length], len(answer.content))
    assert found.intact
    assert answer.headers["hulta-chain"] == found.head.hex()
    assert "hulta-chain" not in (await http.get(path, params={"audio": "none"})).headers


async def test_every_answer_tells_browsers_to_be_careful(http: httpx.AsyncClient) -> None:
    """Pages, answers and errors alike."""
    for path in ("/", "/page.js", "/api/v1/cameras", "/nowhere", "/healthz", f"{API}/video.mp4"):
        headers = (await http.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] in {"no-store", "no-cache"}
        assert "server" not in headers


@pytest.mark.usefixtures("recorded")
async def test_the_calendar_tells_the_hours(http: httpx.AsyncClient) -> None:
    """Hours of UTC, whole ones, joined: those with footage, and those with gaps, up to now."""
    month = {"from": "2026-11-01T00:00:00+01:00", "to": "2026-12-01T00:30:00+01:00"}
    answer = (await http.get(f"{API}/calendar", params=month)).json()
    noon = {"from": "2026-11-18T12:00:00.000000Z", "to": "2026-11-18T13:00:00.000000Z"}
    assert answer.pop("camera")
    assert answer == {
        "from": "2026-10-31T23:00:00.000000Z",
        "to": "2026-12-01T00:00:00.000000Z",
        "recorded": [noon],
        "gaps": [{"from": "2026-11-18T11:00:00.000000Z", "to": "2026-11-18T12:00:00.000000Z"}],
    }
    longest = {"from": "2026-11-18T12:00:00Z", "to": "2027-02-19T12:00:00Z"}
    assert (await http.get(f"{API}/calendar", params=longest)).json()["recorded"] == [noon]


@pytest.mark.usefixtures("recorded")
async def test_footage_is_kept_by_no_cache(http: httpx.AsyncClient) -> None:
    """Pictures of people are not left behind on an operator's disk."""
    for path in (f"{API}/video.mp4", f"{API}/playlist.m3u8", f"{API}/timeline"):
        assert (await http.get(path, params=within(0, 1))).headers["cache-control"] == "no-store"
    assert (await http.get(f"{API}/frame.jpg", params={"at": at(1)})).headers["cache-control"] == "no-store"


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    """Every path of the contract, with the fields of its JSON."""
    described = (await http.get("/api/openapi.json")).json()
    assert {
        "/api/v1/cameras",
        "/api/v1/cameras/{camera_id}",
        "/api/v1/cameras/{camera_id}/timeline",
        "/api/v1/cameras/{camera_id}/calendar",
        "/api/v1/cameras/{camera_id}/playlist.m3u8",
        "/api/v1/cameras/{camera_id}/video.mp4",
        "/api/v1/cameras/{camera_id}/frame.jpg",
        "/api/v1/recording",
        "/api/v1/segments/{segment_id}.mp4",
    } < set(described["paths"])
    timeline = described["components"]["schemas"]["TimelineJson"]["properties"]
    assert list(timeline) == ["camera", "from", "to", "spans", "gaps", "expired", "missing", "pending", "events"]
    assert "422" not in json.dumps(described["paths"])
    assert "ValidationError" not in json.dumps(described["components"])
    assert "text/html" in (await http.get("/api/docs")).headers["content-type"]


async def test_a_token_guards_everything_but_the_probes(archive: Archive) -> None:
    """On an address that others can reach."""
    token = "a-token-of-at-least-16"
    async with serving(archive, token=token) as http:
        paths = ["/", *json.loads((await http.get("/api/openapi.json", auth=("", token))).text)["paths"]]
        for path in paths:
            probe = path in {"/healthz", "/readyz"}
            assert (path, (await http.get(path)).status_code) == (path, 200 if probe else 401)
        assert (await http.get("/api/v1/cameras", headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def test_footage_that_is_being_written_is_served_as_far_as_it_is_durable(
    archive: Archive, http: httpx.AsyncClient
) -> None:
    """The newest second comes from the open segment; what was not announced durable is not given out."""
    (segment,) = archive.record(film(30), gops_per_segment=3)
    archive.spool_open(segment, 3)
    archive.hold_run()
    archive.marks[archive.camera.stream] = DurableMark(run=RUN, epoch=1, sequence=0, fragment=1)
    response = await http.get(f"{API}/video.mp4", params=within(0, 2))
    assert [picture for _, picture in frames_by_pyav(response.content)] == [shot.picture for shot in segment.shots[:20]]
    assert response.headers["hulta-complete"] == "false"
    assert response.headers["hulta-to"] == format_instant(segment.shots[20].wall_us)
