"""The assignments file: what this host's recording process is to record.

The supervisor writes it, `record` follows it: that is all `record` ever learns from the catalog, so it starts and runs
with the catalog down. One JSON document, replaced by rename, mode 0600, camera URLs sealed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ingest.approach import Approach
from media.errors import ConfigError, HultaError, KeyUnfit
from media.url import CameraUrl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ingest.approach import SourceName, Way
    from storage.secrets import SecretBox

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One stream to record. `networks` are those its camera may live in, empty for the default rule.

    `url` is None, and `problem` says why, where the file does not give it: that camera cannot be recorded.
    """

    stream: UUID
    camera: UUID
    name: str
    epoch: int
    url: CameraUrl | None
    segment_us: int = 60_000_000
    bitrate_bps: int | None = None
    networks: tuple[str, ...] = ()
    transport: Way = "tcp"
    tls_ca: str = ""
    tls_pin: str = ""
    source: SourceName = "rtsp"
    audio: bool = False
    """Whether its sound is to be recorded; in many countries that is unlawful where the public is."""
    problem: str = ""

    @property
    def way(self) -> tuple[object, ...]:
        """What a session depends on: a change of it needs another one."""
        return self.approach, self.audio, self.epoch

    @property
    def approach(self) -> Approach | None:
        """How its camera is reached; None where that is not known."""
        if self.url is None:
            return None
        return Approach(
            url=self.url,
            source=self.source,
            networks=self.networks,
            transport=self.transport,
            tls_ca=self.tls_ca,
            tls_pin=self.tls_pin,
        )


def write_assignments(path: Path, assignments: Sequence[Assignment], box: SecretBox) -> None:
    """Replace the file. A reader sees the old one or the new one, also after a power cut."""
    document = {"version": VERSION, "streams": [_to_json(assignment, box) for assignment in assignments]}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)


def read_assignments(path: Path, box: SecretBox) -> list[Assignment]:
    """What the file says; ConfigError when it is not what `write_assignments` writes.

    One URL that cannot be opened or read is the trouble of that camera: see `Assignment.problem`. A key that is missing
    or another one is not, so it is KeyUnfit.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != VERSION:
            raise ConfigError(f"{path}: version {document['version']} is not known here", hint="upgrade this host")
        return [_from_json(entry, box) for entry in document["streams"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error


def _to_json(assignment: Assignment, box: SecretBox) -> dict[str, Any]:
    return {
        "stream": str(assignment.stream),
        "camera": str(assignment.camera),
        "name": assignment.name,
        "epoch": assignment.epoch,
        "url": ""
        if assignment.url is None
        else box.seal(assignment.url.unredacted(), _purpose(assignment.stream)).hex(),
        "segment_us": assignment.segment_us,
        "bitrate_bps": assignment.bitrate_bps,
        "networks": list(assignment.networks),
        "transport": assignment.transport,
        "tls_ca": assignment.tls_ca,
        "tls_pin": assignment.tls_pin,
        "audio": assignment.audio,
        "source": assignment.source,
    }


def _from_json(entry: dict[str, Any], box: SecretBox) -> Assignment:
    stream = UUID(entry["stream"])
    url, problem = _open(entry["url"], stream, box)
    return Assignment(
        stream=stream,
        camera=UUID(entry["camera"]),
        name=entry["name"],
        epoch=_number(entry["epoch"], least=0),
        url=url,
        segment_us=_number(entry["segment_us"], least=1),
        bitrate_bps=None if entry["bitrate_bps"] is None else _number(entry["bitrate_bps"], least=0),
        networks=tuple(entry["networks"]),
        # A file that an earlier version wrote has none of these.
        transport=_way(entry.get("transport", "tcp")),
        tls_ca=str(entry.get("tls_ca", "")),
        tls_pin=str(entry.get("tls_pin", "")),
        audio=entry.get("audio") is True,  # a file of an earlier version has none
        source=_source(entry.get("source", "rtsp")),
        problem=problem,
    )


def _open(sealed: str, stream: UUID, box: SecretBox) -> tuple[CameraUrl | None, str]:
    """The URL, or None and why not. Nothing of it may get into the words."""
    try:
        return CameraUrl.parse(box.open(bytes.fromhex(sealed), _purpose(stream))), ""
    except KeyUnfit:
        raise
    except (HultaError, ValueError) as error:
        why = str(error) if isinstance(error, HultaError) else "it is damaged"
        return None, f"the camera's URL cannot be opened: {why}"


def _number(value: object, *, least: int) -> int:
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{value!r} where a number of at least {least} should be")
    return value


def _way(value: object) -> Way:
    if value == "udp":
        return "udp"
    if value == "tcp":
        return "tcp"
    raise ValueError(f"{value!r} where tcp or udp should be")


def _source(value: object) -> SourceName:
    if value == "libav":
        return "libav"
    if value == "rtsp":
        return "rtsp"
    raise ValueError(f"{value!r} where rtsp or libav should be")


def _purpose(stream: UUID) -> str:
    return f"assignment:{stream}"
