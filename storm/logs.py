"""The simulator's two logs: what its cameras sent, and which faults they had."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from storm.facts import FaultWindow, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SPOILED = "!"
"""Ends the kind of a frame that did not leave its camera whole, in order and decodable as described."""


SOUND = b" sound"
"""Begins the kind of a frame of sound: names are percent-encoded, so a space is nowhere else."""

TRACEBACK = "Traceback (most recent call last)"
TRACEBACK_LINES, TRACEBACK_CHARACTERS = 20, 600


def split_sent_log(log: Path, folder: Path) -> dict[str, Path]:
    """One file for each camera, by name: the log of a long storm is larger than what should be held in memory."""
    folder.mkdir(exist_ok=True)
    parts: dict[bytes, list[bytes]] = defaultdict(list)
    files: dict[bytes, Path] = {}
    for line in _whole_lines(log):
        camera = line.partition(b" ")[0]
        parts[camera].append(line)
        if len(parts[camera]) >= 1000:
            _append(files.setdefault(camera, folder / f"{len(files)}.log"), parts.pop(camera))
    for camera, lines in parts.items():
        _append(files.setdefault(camera, folder / f"{len(files)}.log"), lines)
    return {unquote(camera.decode()): path for camera, path in files.items()}


def read_sent(path: Path) -> list[Sent]:
    """S of one camera: its pictures in the order in which they were sent."""
    return [parse_sent(line.decode()) for line in _whole_lines(path) if SOUND not in line]


def read_sound_sent(path: Path) -> list[Sent]:
    """Its frames of sound, likewise."""
    return [parse_sent(line.decode()) for line in _whole_lines(path) if SOUND in line]


def parse_sent(line: str) -> Sent:
    """`camera session frame sent_us crc32 kind`."""
    _camera, session, frame, sent_us, crc32, kind = line.split()
    whole, sync = not kind.endswith(SPOILED), kind.startswith("sync")
    return Sent(int(frame), int(sent_us), int(crc32, 16), int(session), whole, sync)


def read_faults(path: Path, until_us: int, numbers: Sequence[int] = ()) -> dict[str, list[FaultWindow]]:
    """The faults of each camera in the order of their beginning; one that did not end lasts until `until_us`.

    `numbers`: what the log's steps 1, 2, ... are called.
    """
    found: dict[str, list[FaultWindow]] = defaultdict(list)
    begun: dict[tuple[int, str], Mapping[str, Any]] = {}
    for line in _whole_lines(path):
        event = json.loads(line)
        step = event["step"] = numbers[event["step"] - 1] if numbers else event["step"]
        for camera in event["cameras"]:
            if event["phase"] == "begin":
                begun[step, camera] = event
            elif event["phase"] == "once":
                found[camera].append(_window(event, event["at_us"]))
            elif (begin := begun.pop((step, camera), None)) is not None:
                found[camera].append(_window(begin, event["at_us"]))
    for (_step, camera), begin in begun.items():
        found[camera].append(_window(begin, until_us))
    return {camera: sorted(windows, key=lambda window: window.start_us) for camera, windows in found.items()}


def first_traceback(path: Path) -> str:
    """How a program's log tells of its first unexpected exception; empty if there was none."""
    with path.open(errors="replace") as file:
        for line in file:
            if TRACEBACK in line:
                return "".join([line[line.index(TRACEBACK) :], *islice(file, TRACEBACK_LINES)])[:TRACEBACK_CHARACTERS]
    return ""


def _window(event: Mapping[str, Any], end_us: int) -> FaultWindow:
    parameters = tuple(sorted((event["parameters"]).items()))
    return FaultWindow(event["fault"], event["at_us"], end_us, event["step"], parameters)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """A last line that was torn by a kill is left out: what it tells of did not happen."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _append(path: Path, lines: Sequence[bytes]) -> None:
    with path.open("ab") as file:
        file.writelines(lines)
