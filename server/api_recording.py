"""What the recorder holds: for whoever wants to know how far each camera is safe, without asking the catalog."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from media.errors import StorageError
from playback.timerange import format_instant
from server.api_schema import PROBLEMS, RecordingJson
from server.parts import GivenParts

router = APIRouter(prefix="/api/v1", tags=["recording"], responses=PROBLEMS)


@router.get("/recording", responses={200: {"model": RecordingJson}}, response_model=None)
async def get_recording(parts: GivenParts) -> JSONResponse:
    """The recorder's present run, and of each camera what ails it and the last fragment that survives a power cut.

    Answered from what the recorder says of itself, at most 0.2 s old. 503 while it does not answer.
    """
    said = parts.fleet.record.answer
    if said is None:
        raise StorageError("the recorder does not answer")
    streams = said["streams"].values()
    cameras = sorted((_camera(stream) for stream in streams), key=lambda camera: str(camera["name"]))
    return JSONResponse({"run": said["run"], "cameras": cameras})


def _camera(stream: dict[str, Any]) -> dict[str, Any]:
    durable = stream["durable"]
    return {
        "id": stream["camera"],
        "name": stream["name"],
        "detail": stream["detail"],
        "conditions": {kind: format_instant(since_us) for kind, since_us in (stream.get("conditions") or {}).items()},
        "durable": None
        if durable is None
        else {
            "run": durable["run"],
            "epoch": durable["epoch"],
            "sequence": durable["sequence"],
            "fragment": durable["fragment"],
            "through": format_instant(durable["through_us"]),
        },
    }
