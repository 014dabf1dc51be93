"""What there is to say about cameras beyond their state: why they fail, and what is odd about those that record."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from server.api_schema import PROBLEMS, RemarksJson
from server.parts import GivenParts

router = APIRouter(prefix="/api/v1", tags=["cameras"], responses=PROBLEMS)


@router.get("/remarks", responses={200: {"model": list[RemarksJson]}}, response_model=None)
async def list_remarks(parts: GivenParts) -> JSONResponse:
    """In words, why cameras fail and what is odd about those that record, since when; only those there is a word of."""
    said = [parts.cameras.remarks(camera) for camera in await parts.catalog.inventory.cameras()]
    return JSONResponse([each for each in said if each["detail"] or each["remarks"]])
