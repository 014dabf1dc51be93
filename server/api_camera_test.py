"""Trying a camera before it is added: what it is, and whether it can be recorded."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ingest.approach import Approach
from ingest.libav_order import source_problem
from media.errors import NotFound, UsageError
from media.url import CameraUrl
from server.api_schema import PROBLEMS
from server.camera_probe import DEFAULT_S, LONGEST_S, probe
from server.parts import GivenParts, Parts
from server.problems import problem

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"], responses=PROBLEMS)

MOST_BODY_BYTES = 16_384


class Question(BaseModel):
    """Which camera to look at, and how. Nothing of it is ever logged or answered with."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(max_length=4096, description="rtsp://host:port/path; credentials in it work, too.")
    username: str | None = Field(default=None, max_length=256)
    password: SecretStr | None = Field(default=None, max_length=256)
    source: Literal["rtsp", "libav"] = Field(default="rtsp", description="What speaks to it.")
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="What packets travel on; rtsp only.")
    tls_pin: str = Field(default="", max_length=64, description="Of the camera's key, where nobody signed for it.")
    site: str | None = Field(
        default=None, max_length=64, description="Its `networks` say which addresses are allowed; else the default."
    )
    seconds: float = Field(default=DEFAULT_S, ge=1, le=LONGEST_S, description="How long to look at most.")
    picture: bool = Field(default=True, description="Whether to answer with a JPEG in base64.")


class FindingJson(BaseModel):
    """One thing that is worth knowing."""

    severity: str = Field(description="error: it cannot be recorded; warning; info.")
    subject: str = Field(description="session, offer, gop, clock, login, loss, audio or picture.")
    words: str


class LookJson(BaseModel):
    """What a look at a camera gave. `camera` is null where there was no session."""

    usable: bool
    verdict: str
    reason: str | None = Field(description="Why it cannot be recorded: a gap's reason.")
    findings: list[FindingJson]
    camera: dict[str, Any] | None


@router.post(
    "/test",
    responses={200: {"model": LookJson}},
    response_model=None,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}
    },
)
async def test_camera(parts: GivenParts, request: Request) -> JSONResponse:
    """Look at a camera for a few seconds with the recorder's own client.

    A camera that fails is an answer, not an error. 503 while too many others are looked at.
    """
    question = await _question(request)
    approach = await _approach(parts, question)
    if parts.probes.locked():
        return problem(
            503, "Too many cameras are looked at", "Try again in a few seconds.", headers={"Retry-After": "5"}
        )
    async with parts.probes:
        report = await probe(approach, parts.clock, seconds=question.seconds)
    return JSONResponse(report.to_json(picture=question.picture), headers={"Cache-Control": "no-store"})


async def _question(request: Request) -> Question:
    """The body, which must call itself JSON: a form of another website cannot, and nothing here may obey one."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send the question as application/json.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise HTTPException(413, f"A question has at most {MOST_BODY_BYTES} bytes.")
    try:
        return Question.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise UsageError(f"{where}: {first['msg']}") from None


async def _approach(parts: Parts, question: Question) -> Approach:
    url = CameraUrl.parse(question.url)
    if question.username is not None:
        password = None if question.password is None else question.password.get_secret_value()
        url = url.with_credentials(question.username, password)
    elif question.password is not None:
        raise UsageError("password: it needs a username")
    problem = source_problem(question.source, url.scheme)
    if problem:
        raise UsageError(f"url: {problem}")
    return Approach(
        url=url,
        source=question.source,
        transport=question.transport,
        tls_pin=question.tls_pin,
        networks=await _networks(parts, question.site),
    )


async def _networks(parts: Parts, name: str | None) -> tuple[str, ...]:
    if name is None:
        return ()
    networks = {site.name: site.networks for site in await parts.catalog.inventory.sites()}
    if name not in networks:
        raise NotFound("there is no site of this name")
    return networks[name]
