"""R and G: what the public HTTP API gives back after the storm, and nothing but the API.

timeline        spans, gaps, and what is neither
playlist        the segments of the range
segments/{id}   whole files: commit boxes, hashes, chain, the oracle's mark in every sample
video.mp4       the whole range as one file: the frames inside its edit list, in the order of the file
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from media.errors import GapReason
from storm.api import instant_us, within
from storm.facts import CameraEvidence, Interval
from storm.footage import Footage, read_video
from storm.logs import read_sent, read_sound_sent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simulator.options import CameraOptions
    from storm.api import Api
    from storm.facts import FaultWindow, FragmentId, Seen

LONG_BEFORE_US = 3_600_000_000
"""Segments are asked for from long before: A has no beginning, and a chain begins at its beginning."""

MOST_VIDEO_BYTES = 64 << 30
"""Bounded by the disk that was looked at before the storm."""

_SEGMENT = re.compile(r"segments/([0-9a-f-]{36})\.mp4")


def collect(
    api: Api,
    camera: CameraOptions,
    *,
    from_us: int,
    to_us: int,
    sent_log: Path | None,
    announced: Mapping[FragmentId, int],
    faults: Sequence[FaultWindow],
    scratch: Path,
) -> tuple[CameraEvidence, set[UUID]]:
    """All that is known about one camera, and its segments. ApiFailed, MediaError."""
    timeline = read_timeline(api, camera.name, from_us, to_us)
    before_us = from_us - LONG_BEFORE_US
    gaps = read_timeline(api, camera.name, before_us, to_us)["gaps"]
    given_up = [gap for gap in gaps if gap.reason == GapReason.SPOOL_FULL]
    footage = read_segments(api, camera.name, before_us, to_us, given_up)
    found = CameraEvidence(
        name=camera.name,
        from_us=from_us,
        to_us=to_us,
        fps=camera.fps,
        gop_us=camera.gop_us,
        reordered=camera.b_frames,
        sent=[] if sent_log is None else read_sent(sent_log),
        announced=announced,
        fragments=footage.fragments,
        frames=video_frames(api, camera.name, from_us, to_us, scratch),
        spans=timeline["spans"],
        gaps=timeline["gaps"],
        missing=[*timeline["missing"], *timeline["expired"], *timeline["pending"]],
        faults=faults,
        complaints=footage.complaints,
        sounds=[footage.sounds[key] for key in sorted(footage.sounds, key=lambda key: footage.sounds[key].start_us)],
        sound_ids=frozenset(footage.sounds),
        sound_sent=[] if sent_log is None else read_sound_sent(sent_log),
    )
    return found, footage.segments


def read_timeline(api: Api, camera: str, from_us: int, to_us: int) -> dict[str, list[Interval]]:
    """Spans, gaps and the rest, each as intervals."""
    document = api.json("cameras", camera, "timeline", query=within(from_us, to_us))
    return {
        kind: [
            Interval(instant_us(each["from"]), instant_us(each["to"]), each.get("reason", ""))
            for each in document[kind]
        ]
        for kind in ("spans", "gaps", "expired", "missing", "pending")
    }


def segment_ids(api: Api, camera: str, from_us: int, to_us: int) -> list[UUID]:
    """The segments that the playlist of a range names."""
    playlist = api.read("cameras", camera, "playlist.m3u8", query=within(from_us, to_us)).decode()
    return [UUID(found) for found in dict.fromkeys(_SEGMENT.findall(playlist))]


def read_segments(api: Api, camera: str, from_us: int, to_us: int, given_up: Sequence[Interval]) -> Footage:
    """Every segment of the range, one after the other. Chains have holes where footage was given up."""
    footage = Footage()
    for segment in segment_ids(api, camera, from_us, to_us):
        footage.add(api.read("segments", f"{segment}.mp4"), camera)
    footage.finish(given_up)
    return footage


def video_frames(api: Api, camera: str, from_us: int, to_us: int, scratch: Path) -> list[Seen]:
    """The frames of `video.mp4`, in the order in which they lie in the file."""
    headers: dict[str, str] = {}
    query = within(from_us, to_us)
    try:
        with scratch.open("wb") as file:
            path = ("cameras", camera, "video.mp4")
            for block in api.stream(*path, query=query, headers=headers, most_bytes=MOST_VIDEO_BYTES):
                file.write(block)
        start_us = instant_us({name.lower(): value for name, value in headers.items()}["hulta-first-frame"])
        return [*read_video(scratch, camera, start_us)]
    finally:
        scratch.unlink(missing_ok=True)
