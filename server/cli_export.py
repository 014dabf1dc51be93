"""`hulta export`: exactly a range, as one mp4.

The file grows under FILE.part and gets its name when it is whole and on disk. A connection that breaks is taken up
again where it broke, as long as the server vouches (by the entity tag) that it is still the same file.
"""

from __future__ import annotations

import asyncio
import http.client
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from media.errors import HultaError, UsageError
from playback.timerange import parse_range
from server.api_client import ApiClient
from server.cli_footage import CameraArgument, FromOption, ToOption
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, err, existing_data, load_host, out
from server.quantities import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 1 << 20
ATTEMPTS = 5  # in a row without a new byte


def export(
    camera: CameraArgument,
    start: FromOption,
    end: ToOption,
    file: Annotated[Path, typer.Option("--output", "-o", help="The mp4 to write.", metavar="FILE.mp4")],
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Its sound as the camera sent it, if any.")] = True,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write exactly the frames of a range to one mp4, with their sound."""
    client = asyncio.run(ApiClient.find(existing_data(data), load_host(config)))
    if not file.name or file.is_dir():
        raise UsageError(f"{file} is a directory: name the mp4 to write")
    draft = file.with_name(f"{file.name}.part")
    download = Download(client, camera, start, end, audio=audio)
    try:
        with draft.open("wb") as target, _progress() as progress:
            task = progress.add_task("", total=None)
            download.run(target, lambda done, total: progress.update(task, completed=done, total=total))
            os.fsync(target.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    words = f"{format_bytes(download.total_bytes)}, first frame {download.first_frame}, sound: {download.sound}"
    out.print(f"{file}: {words}", markup=False)
    if download.left_out:
        note = f"note: sound of another kind ({download.left_out}) is not in the file: export its time separately"
        err.print(note, style="yellow", markup=False)
    if download.clipped:
        err.print(f"note: footage is durable up to {download.to}; the file ends there", style="yellow", markup=False)
    if absent_us := _absent_us(client, camera, start, download.to):
        where = "before that" if download.clipped else "of the range"
        note = f"note: {absent_us / 1_000_000:.3f} s {where} are not in the file; `hulta footage` says why"
        err.print(note, style="yellow", markup=False)


def _absent_us(client: ApiClient, camera: str, start: str, end: str) -> int:
    """How much of a range is no footage."""
    timeline = client.get_json("cameras", camera, "timeline", query={"from": start, "to": end})
    asked, *present = (parse_range(part["from"], part["to"]) for part in (timeline, *timeline["spans"]))
    return asked.to_us - asked.from_us - sum(part.to_us - part.from_us for part in present)


class Download:
    """One file from the API, taken up again where a connection broke."""

    def __init__(self, client: ApiClient, camera: str, start: str, end: str, *, audio: bool = True) -> None:
        self._client = client
        self._path = ("cameras", camera, "video.mp4")
        self._asked = {"from": start, "audio": "original" if audio else "none"}
        self.to = end
        self.clipped = False
        self.first_frame = ""
        self.sound = "none"
        self.left_out = ""
        self.total_bytes = 0
        self._etag = ""

    def run(self, target: BinaryIO, report: Callable[[int, int], None]) -> None:
        """Write the file. HultaError after ATTEMPTS in a row that brought nothing."""
        failures = 0
        while not self._etag or target.tell() < self.total_bytes:
            before, cause = target.tell(), "the server closed the connection"
            try:
                self._take(target, report)
            except (OSError, http.client.HTTPException) as error:
                cause = type(error).__name__
            failures = 0 if target.tell() > before else failures + 1
            if failures == ATTEMPTS:
                raise HultaError(f"the transfer broke after {format_bytes(target.tell())}: {cause}")

    def _take(self, target: BinaryIO, report: Callable[[int, int], None]) -> None:
        """What is still missing, as far as this connection carries."""
        with self._ask(target.tell()) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                target.seek(0)  # the first time, or the server has another file now
                target.truncate()
                self._begin(response)
            while block := response.read(BLOCK_BYTES):
                target.write(block)
                report(target.tell(), self.total_bytes)

    def _ask(self, done: int) -> http.client.HTTPResponse:
        resume = {"Range": f"bytes={done}-", "If-Range": self._etag} if done else {}
        return self._client.open(*self._path, query={**self._asked, "to": self.to}, headers=resume)

    def _begin(self, response: http.client.HTTPResponse) -> None:
        """Note what the file is. From now on exactly this range is asked for, also when more becomes durable."""
        self._etag = response.headers["ETag"]
        self.total_bytes = int(response.headers["Content-Length"])
        self.first_frame = response.headers["Hulta-First-Frame"]
        self.sound = response.headers.get("Hulta-Sound", "none")
        self.left_out = response.headers.get("Hulta-Sound-Left-Out", "")
        self.clipped = self.clipped or response.headers["Hulta-Complete"] == "false"
        self.to = response.headers["Hulta-To"]


def _progress() -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True)


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, export)
