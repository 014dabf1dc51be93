"""The JSON of the API, for its OpenAPI description. Answers are built as plain values, not validated twice."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from media.errors import GapReason

if TYPE_CHECKING:
    from fastapi import FastAPI


class CameraJson(BaseModel):
    """A camera and how it is."""

    id: UUID
    name: str
    site: str
    enabled: bool
    state: Literal["disabled", "connecting", "recording", "failed"]
    reason: GapReason | None = Field(description="Why it does not record.")
    since: datetime | None = Field(
        description="Since when it is in this state; for one that does not record, since its newest footage."
    )
    durable_through: datetime | None = Field(description="The end of its newest footage that survives a power cut.")
    bitrate_bps: int | None
    camera_clock_offset_us: int | None = Field(description="The camera's own clock minus this host's.")


class RemarkJson(BaseModel):
    """Something odd about a camera that is no failure by itself."""

    kind: Literal[
        "not_heard",
        "frozen_picture",
        "frozen_timestamps",
        "camera_clock",
        "without_sound",
        "lost_packets",
        "overflowed_packets",
        "foreign_packets",
    ]
    since: datetime
    words: str


class RemarksJson(BaseModel):
    """What there is to say about a camera."""

    id: UUID
    detail: str | None = Field(description="Why it fails, with the evidence; null while it does not.")
    remarks: list[RemarkJson] = Field(description="The gravest first.")


class IntervalJson(BaseModel):
    """A half-open interval."""

    model_config = ConfigDict(populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime


class SpanJson(IntervalJson):
    """Continuous footage."""

    segments: int
    bytes: int = Field(description="Of the footage inside the range, to whole fragments.")
    damaged: int = Field(description="Segments in which packets were lost.")


class AbsenceJson(IntervalJson):
    """Time without footage to show, and why."""

    detail: str


class GapJson(AbsenceJson):
    """Time that should have been recorded and was not."""

    reason: GapReason


class TimelineJson(BaseModel):
    """What there is of a camera in a range: every instant is in exactly one of the first five lists."""

    model_config = ConfigDict(populate_by_name=True)

    camera: UUID
    from_: datetime = Field(alias="from")
    to: datetime
    spans: list[SpanJson]
    gaps: list[GapJson]
    expired: list[AbsenceJson]
    missing: list[AbsenceJson]
    pending: list[AbsenceJson]
    events: list[dict[str, Any]]


class CalendarJson(IntervalJson):
    """Whole hours of a camera; consecutive ones are joined. An hour may be in both lists or in none."""

    camera: UUID
    recorded: list[IntervalJson] = Field(description="Hours with footage that can be shown.")
    gaps: list[IntervalJson] = Field(description="Hours in which something was not recorded, for a known reason.")


class DurableJson(BaseModel):
    """The last fragment of a camera that is on disk and synced. Together the numbers name it for ever."""

    run: str = Field(description="The recorder's run, 16 hex digits.")
    epoch: int
    sequence: int = Field(description="Of the segment, within the run.")
    fragment: int = Field(description="Within the segment.")
    through: datetime = Field(description="Where it ends.")


class CameraRecordingJson(BaseModel):
    """What the recorder holds of one camera."""

    id: UUID
    name: str
    detail: str | None = Field(description="What ails it, in words; null if nothing does.")
    conditions: dict[Literal["frozen_picture", "frozen_timestamps", "camera_clock"], datetime] = Field(
        description="What is odd about a camera that sends, and since when: it shows nothing new, or its clock is off."
    )
    durable: DurableJson | None = Field(description="Null until the first fragment of this run is durable.")


class RecordingJson(BaseModel):
    """What the recorder holds."""

    run: str
    cameras: list[CameraRecordingJson]


class ProblemJson(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemJson, "description": description, "content": {"application/problem+json": {}}}
    for status, description in (
        (400, "The range or a parameter is wrong"),
        (401, "A token is needed"),
        (403, "The request was meant for another host"),
        (404, "Unknown, or nothing in the range"),
        (503, "A part of the server is not available"),
    )
}


def describe(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. What the framework says about 422 is left out: a wrong parameter is a problem with 400."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, summary=api.summary, routes=api.routes)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(unused, None)
        api.openapi_schema = document
    return api.openapi_schema
