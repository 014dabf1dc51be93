"""Cameras and their timelines."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse

from playback.calendar import LONGEST_CALENDAR_US
from playback.timerange import parse_range
from server.api_schema import PROBLEMS, CalendarJson, CameraJson, TimelineJson
from server.parts import GivenParts

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"], responses=PROBLEMS)

CameraId = Annotated[str, Path(description="Id or unique name.", max_length=64)]
From = Annotated[str | None, Query(alias="from", description="RFC 3339 with offset, included.", max_length=64)]
To = Annotated[str | None, Query(alias="to", description="RFC 3339 with offset, not included.", max_length=64)]


@router.get("", responses={200: {"model": list[CameraJson]}}, response_model=None)
async def list_cameras(parts: GivenParts) -> JSONResponse:
    """All cameras by name, the disabled ones too."""
    cameras = await parts.catalog.inventory.cameras()
    return JSONResponse([await parts.cameras.describe(camera) for camera in cameras])


@router.get("/{camera_id}", responses={200: {"model": CameraJson}}, response_model=None)
async def get_camera(parts: GivenParts, camera_id: CameraId) -> JSONResponse:
    """One camera and how it is."""
    camera = await parts.catalog.inventory.camera(camera_id)
    return JSONResponse(await parts.cameras.describe(camera))


@router.get("/{camera_id}/timeline", responses={200: {"model": TimelineJson}}, response_model=None)
async def get_timeline(parts: GivenParts, camera_id: CameraId, start: From = None, end: To = None) -> JSONResponse:
    """What there is of a camera between two instants, and what is missing and why."""
    wanted = parse_range(start, end)
    camera = await parts.catalog.inventory.camera(camera_id)
    timeline: dict[str, Any] = (await parts.library.timeline(camera, wanted.from_us, wanted.to_us)).to_json()
    return JSONResponse(timeline)


@router.get("/{camera_id}/calendar", responses={200: {"model": CalendarJson}}, response_model=None)
async def get_calendar(parts: GivenParts, camera_id: CameraId, start: From = None, end: To = None) -> JSONResponse:
    """Which hours (UTC) of up to three months have footage, and which have gaps."""
    wanted = parse_range(start, end, LONGEST_CALENDAR_US)
    camera = await parts.catalog.inventory.camera(camera_id)
    calendar: dict[str, Any] = (await parts.library.calendar(camera, wanted.from_us, wanted.to_us)).to_json()
    return JSONResponse(calendar)
