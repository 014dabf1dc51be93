"""Live pictures: fMP4 over a WebSocket. See docs/live.md."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from media.errors import HultaError
from server.api_cameras import CameraId
from server.live_viewer import LiveViewer
from server.parts import parts_of
from server.problems import describe

router = APIRouter(prefix="/api/v1/cameras")


@router.websocket("/{camera_id}/live")
async def live(websocket: WebSocket, camera_id: CameraId) -> None:
    """A JSON message with the MIME type, then the init section, then a fragment for each picture."""
    parts = parts_of(websocket)
    try:
        camera = await parts.catalog.inventory.camera(camera_id)
        async with parts.live.watch(camera.stream) as watched:
            await websocket.accept()
            await LiveViewer(websocket, watched, parts.clock).run()
    except HultaError as error:
        # Before it was accepted: afterwards nothing of ours fails.
        await websocket.send_denial_response(describe(error))
