"""What alerts must outlive a restart: what is open, and what is still to be sent. One file, replaced by rename.

It is no footage: where it cannot be read, everything is told once more; where it cannot be written, that is logged and
the alerts go out all the same.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from server.alert import Alert
from server.alert_watch import Open

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION = 1
MOST_BYTES = 16 << 20

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Kept:
    """The contents: open alerts by their key, and for each channel what waits for it."""

    opened: dict[str, Open] = field(default_factory=dict)
    waiting: dict[str, list[Alert]] = field(default_factory=dict)


class AlertFile:
    """`read` it once, `write` it whenever something changed. Blocks, for as long as a small file takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""
        self._complaint = ""

    def read(self) -> Kept:
        """What was kept; nothing where there is no file, or none that can be read."""
        try:
            with self._path.open("rb") as file:
                document = json.loads(file.read(MOST_BYTES))
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}")  # noqa: TRY301 - as everything else that is wrong
            return Kept(
                opened={key: Open(**told) for key, told in document["opened"].items()},
                waiting={
                    channel: [Alert.from_stored(alert) for alert in alerts]
                    for channel, alerts in document["waiting"].items()
                },
            )
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.error("alerts_not_read", path=str(self._path), error=f"{type(error).__name__}")  # noqa: TRY400 - said
            return Kept()

    def write(self, opened: Mapping[str, Open], waiting: Mapping[str, Sequence[Alert]]) -> None:
        """Replace the file if it would say anything else."""
        document = {
            "version": VERSION,
            "opened": {key: asdict(told) for key, told in opened.items()},
            "waiting": {channel: [alert.to_stored() for alert in alerts] for channel, alerts in waiting.items()},
        }
        content = json.dumps(document).encode()
        if content == self._written:
            return
        try:
            self._replace(content)
        except OSError as error:
            self._complain(error)
        else:
            self._written, self._complaint = content, ""

    def _replace(self, content: bytes) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(self._path)

    def _complain(self, error: OSError) -> None:
        complaint: Any = error.strerror or type(error).__name__
        if complaint != self._complaint:
            log.error("alerts_not_kept", path=str(self._path), error=complaint)
        self._complaint = complaint
