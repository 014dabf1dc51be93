"""Live pictures: fMP4 over a WebSocket, and WebRTC by WHEP. See docs/live.md."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, WebSocket
from starlette.responses import Response

from media.errors import HultaError, UsageError
from playback.live_counts import Door
from playback.whep_offer import MOST_OFFER_BYTES
from server.api_cameras import CameraId
from server.api_schema import PROBLEMS, ProblemJson
from server.live_viewer import LiveViewer
from server.parts import parts_of
from server.problems import describe, problem

router = APIRouter(prefix="/api/v1/cameras", tags=["live"])

SDP = "application/sdp"

_OFFERED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string", "description": "An SDP offer."}}}}
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **PROBLEMS,
    201: {"content": {SDP: {}}, "description": "An SDP answer. `Location` is the session, to be ended by DELETE."},
    **{
        status: {"model": ProblemJson, "description": text, "content": {"application/problem+json": {}}}
        for status, text in (
            (406, "The camera's stream cannot be sent over WebRTC, or not to this browser"),
            (413, "The offer is too large"),
            (415, "The offer is not `application/sdp`"),
        )
    },
}


@router.websocket("/{camera_id}/live")
async def live(websocket: WebSocket, camera_id: CameraId) -> None:
    """A JSON message with the MIME type, then the init section, then a fragment for each picture."""
    parts = parts_of(websocket)
    not_before_us = parts.clock.wall_us() if websocket.query_params.get("begin") == "next" else 0
    try:
        camera = await parts.catalog.inventory.camera(camera_id)
        async with parts.live.watch(camera.stream, Door.WEBSOCKET) as watched:
            await websocket.accept()
            await LiveViewer(websocket, watched, parts.clock, parts.live.counts, not_before_us).run()
    except HultaError as error:
        # Before it was accepted: afterwards nothing of ours fails.
        await websocket.send_denial_response(describe(error))


@router.post("/{camera_id}/whep", status_code=201, responses=_ANSWERS, openapi_extra=_OFFERED, response_class=Response)
async def whep(request: Request, camera_id: CameraId) -> Response:
    """Watch over WebRTC: an SDP offer to receive video comes in, the answer goes out (WHEP). H.264 without B-frames."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP:
        return problem(415, "An SDP offer is expected", f"Send it as {SDP}.")
    offer = await _offer(request)
    if offer is None:
        return problem(413, "The offer is too large", f"An offer has at most {MOST_OFFER_BYTES} bytes.")
    parts = parts_of(request)
    camera = await parts.catalog.inventory.camera(camera_id)
    address = request.scope["server"][0]
    session, answer = await parts.whep.answer(camera.id, camera.stream, offer, address)
    location = f"/api/v1/cameras/{camera.id}/whep/{session}"
    return Response(answer, status_code=201, media_type=SDP, headers={"Location": location})


@router.delete("/{camera_id}/whep/{session_id}", responses=PROBLEMS, response_class=Response)
async def end_whep(request: Request, camera_id: CameraId, session_id: str) -> Response:
    """End a session."""
    parts = parts_of(request)
    camera = await parts.catalog.inventory.camera(camera_id)
    parts.whep.end(camera.id, session_id)
    return Response(status_code=200)


async def _offer(request: Request) -> str | None:
    """The body, None if it is too large. It is not read further than that, whatever its length says."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_OFFER_BYTES:
            return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise UsageError("the offer is not UTF-8") from None
