"""Footage: playlists, segments, exact files, single pictures."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from playback.library import SegmentFile
from playback.timerange import format_instant, parse_instant, parse_range
from playback.video import SoundWanted
from server import byte_ranges
from server.api_cameras import CameraId, From, To
from server.api_schema import PROBLEMS
from server.parts import GivenParts

router = APIRouter(prefix="/api/v1", tags=["footage"], responses=PROBLEMS)

MP4 = "video/mp4"
HLS = "application/vnd.apple.mpegurl"
JPEG = "image/jpeg"

_RANGES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MP4: {}}, "description": "The whole file."},
    206: {"content": {MP4: {}}, "description": "The byte range asked for."},
    304: {"description": "What the client has is current."},
    416: {"description": "The byte range lies outside of the file."},
}


@router.get("/cameras/{camera_id}/playlist.m3u8", responses={200: {"content": {HLS: {}}}}, response_class=Response)
async def get_playlist(
    parts: GivenParts,
    camera_id: CameraId,
    start: From = None,
    end: To = None,
    links: Annotated[Literal["server", "store"], Query(description="Where segments come from.")] = "server",
) -> Response:
    """HLS: byte ranges into the segments that overlap the range.

    With `links=store` what is stored is played straight from the object store, where `store.links` offers that: each
    link is good for a day, for whoever has it.
    """
    wanted = parse_range(start, end)
    camera = await parts.catalog.inventory.camera(camera_id)
    playlist = await parts.library.playlist(
        camera, wanted.from_us, wanted.to_us, "/api/v1/segments/", direct=links == "store"
    )
    return Response(playlist, media_type=HLS)


@router.get("/segments/{segment_id}.mp4", responses=_RANGES, response_class=Response)
async def get_segment(
    parts: GivenParts,
    request: Request,
    segment_id: UUID,
    audio: Annotated[Literal["original", "none"], Query(description="With `none`, its pictures alone.")] = "original",
) -> Response:
    """The bytes that playlists refer to.

    `Hulta-Chain` is the head of its hash chain as the catalog has it, for `hulta verify --head`.
    """
    content = await parts.library.segment_bytes(segment_id, sound=audio == "original")
    headers = {"Hulta-Chain": content.segment.chain.hex()} if isinstance(content, SegmentFile) else {}
    return await byte_ranges.answer(request, content, media_type=MP4, headers=headers)


@router.get("/cameras/{camera_id}/video.mp4", responses=_RANGES, response_class=Response)
async def get_video(  # noqa: PLR0917 - FastAPI fills them in by name
    parts: GivenParts,
    request: Request,
    camera_id: CameraId,
    start: From = None,
    end: To = None,
    audio: Annotated[SoundWanted, Query(description="What every player plays, all as sent, or none.")] = "playable",
) -> Response:
    """One progressive mp4 of exactly the frames in the range, with their sound, if there is any.

    Sound is as the camera sent it. G.711, which no browser plays in an mp4, is in it only with `audio=original`.

    `Hulta-From` and `Hulta-To` tell the range that is answered, which ends where durable footage ends
    (`Hulta-Complete: false`); `Hulta-First-Frame` the time of the picture that is shown first. `Hulta-Sound` names the
    codec of its sound with its clock rate, or says `none`; `Hulta-Sound-Left-Out` what was recorded, asked for, and is
    not in it: G.711 unless `audio=original`, and sound on another clock than the first, of which a file has one.
    """
    wanted = parse_range(start, end)
    camera = await parts.catalog.inventory.camera(camera_id)
    video = await parts.library.video(camera, wanted.from_us, wanted.to_us, audio)
    headers = {
        "Hulta-From": format_instant(video.from_us),
        "Hulta-To": format_instant(video.to_us),
        "Hulta-Complete": str(video.complete).lower(),
        "Hulta-First-Frame": format_instant(video.start_us),
        "Hulta-Sound": ", ".join(video.sound) or "none",
        **({"Hulta-Sound-Left-Out": ", ".join(video.sound_left_out)} if video.sound_left_out else {}),
        "Content-Disposition": _disposition(camera.name, video.start_us, "mp4"),
    }
    return await byte_ranges.answer(request, video, media_type=MP4, headers=headers)


@router.get("/cameras/{camera_id}/frame.jpg", responses={200: {"content": {JPEG: {}}}}, response_class=Response)
async def get_frame(
    parts: GivenParts,
    camera_id: CameraId,
    at: Annotated[str | None, Query(description="RFC 3339 with offset.", max_length=64)] = None,
) -> Response:
    """The picture that was on screen at an instant. `Hulta-At` says when it was taken."""
    camera = await parts.catalog.inventory.camera(camera_id)
    frame = await parts.library.frame(camera, parse_instant("at", at))
    disposition = _disposition(camera.name, frame.wall_us, "jpg")
    headers = {"Hulta-At": format_instant(frame.wall_us), "Content-Disposition": disposition}
    return Response(frame.jpeg, media_type=JPEG, headers=headers)


def _disposition(name: str, wall_us: int, suffix: str) -> str:
    """Show it, and under which name to save it (RFC 6266): plain ASCII for old clients, the real name for others."""
    moment = re.sub(r"[-:]|\.\d+", "", format_instant(wall_us))
    plain = re.sub(r"[^A-Za-z0-9.-]", "_", name)
    return f"inline; filename=\"{plain}-{moment}.{suffix}\"; filename*=UTF-8''{quote(name, safe='')}-{moment}.{suffix}"
