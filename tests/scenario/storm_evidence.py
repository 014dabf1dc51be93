"""R and G: what the public HTTP API gives back after the storm, and nothing but the API.

    timeline        spans, gaps, and what is neither
    playlist        the segments of the range
    segments/{id}   whole files: commit boxes, hashes, chain, the oracle's mark in every sample
    video.mp4       the whole range as one file: the frames inside its edit list, in order of presentation

Hashes and links are computed here again; the product's own scan is only used to find the commit boxes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

import av
import httpx

from media.commit import ZERO_CHAIN, link
from media.fmp4_read import fragment_samples, scan
from media.h264 import split_length_prefixed
from media.identity import parse_key
from simulator.oracle import camera_uuid, checksum, find_sei
from simulator.sent_log import read_sent_log
from storage.layout import parse_segment_path
from tests.scenario.storm_facts import CameraEvidence, Fragment, FragmentId, Interval, Seen, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from uuid import UUID

    from media.commit import Commit
    from media.fmp4_read import StoredFragment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TIMEOUT_S = 120
MDAT_HEADER_BYTES = 8
LONG_BEFORE_US = 3_600_000_000
_SEGMENT = re.compile(r"segments/([0-9a-f-]{36})\.mp4")


class Frame(NamedTuple):
    """What the oracle's mark says about one sample, and what hashing it again says."""

    number: int
    wall_us: int
    crc32: int
    intact: bool


@dataclass(slots=True, kw_only=True)
class Footage:
    """The segments of one camera, read whole."""

    fragments: dict[FragmentId, Fragment] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    frames: dict[int, Frame] = field(default_factory=dict)
    segments: set[UUID] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


class Archive:
    """The public API of one server."""

    def __init__(self, api: str, scratch: Path) -> None:
        self._http = httpx.Client(base_url=api, timeout=TIMEOUT_S, trust_env=False)
        self._scratch = scratch

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def cameras(self) -> dict[str, dict[str, object]]:
        """All cameras by name."""
        return {camera["name"]: camera for camera in self._get("cameras").json()}

    def timeline(self, camera: str, from_us: int, to_us: int) -> dict[str, list[Interval]]:
        """Spans, gaps and the rest, each as intervals."""
        document = self._get(f"cameras/{camera}/timeline", from_us, to_us).json()
        return {
            kind: [Interval(instant(each["from"]), instant(each["to"]), each.get("reason", "")) for each in found]
            for kind, found in document.items()
            if kind in {"spans", "gaps", "expired", "missing", "pending"}
        }

    def footage(self, camera: str, from_us: int, to_us: int) -> Footage:
        """Every segment that the playlist of the range names."""
        playlist = self._get(f"cameras/{camera}/playlist.m3u8", from_us, to_us).text
        (self._scratch / f"{camera}.m3u8").write_text(playlist)
        footage = Footage()
        for segment_id in dict.fromkeys(_SEGMENT.findall(playlist)):
            read_segment(self._get(f"segments/{segment_id}.mp4").content, camera, footage)
        footage.complaints += chain_complaints(footage.commits)
        return footage

    def video(self, camera: str, from_us: int, to_us: int) -> list[Seen]:
        """The frames of `video.mp4`, in order of presentation."""
        path = self._scratch / f"{camera}.mp4"
        query = {"from": text(from_us), "to": text(to_us)}
        with self._http.stream("GET", f"cameras/{camera}/video.mp4", params=query) as answer, path.open("wb") as file:
            answer.raise_for_status()
            for block in answer.iter_bytes(1 << 20):
                file.write(block)
            start_us = instant(answer.headers["Hulta-First-Frame"])
        frames = sorted(read_video(path, camera, start_us), key=lambda seen: seen.wall_us)
        path.unlink()
        return frames

    def _get(self, path: str, from_us: int | None = None, to_us: int | None = None) -> httpx.Response:
        query = {} if from_us is None or to_us is None else {"from": text(from_us), "to": text(to_us)}
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer


def read_segment(content: bytes, camera: str, footage: Footage) -> None:
    """Add one segment file to a camera's footage."""
    scanned = scan(lambda offset, length: content[offset : offset + length], len(content), verify=True)
    footage.segments.add(scanned.identity.segment_id)
    footage.complaints += [f"segment {scanned.identity}: {fault}" for fault in scanned.faults]
    if scanned.torn:
        footage.complaints.append(f"segment {scanned.identity} holds torn bytes at {scanned.torn}")
    for stored in scanned.fragments:
        commit = stored.commit
        frames = [*fragment_frames(content, stored, camera, scanned.track.timescale)]
        identity = commit.identity
        key = FragmentId(identity.run, identity.epoch, identity.sequence, commit.fragment)
        whole = content[commit.offset : commit.offset + commit.length]
        verified = sha256(whole).digest() == commit.sha256 and len(frames) == commit.samples
        footage.fragments[key] = Fragment(tuple(frame.number for frame in frames), commit.wall_us, verified)
        footage.commits.append(commit)
        for frame in frames:
            if frame.number in footage.frames:
                footage.complaints.append(f"frame {frame.number} is in two fragments, one of them {key}")
            footage.frames[frame.number] = frame


def fragment_frames(content: bytes, stored: StoredFragment, camera: str, timescale: int) -> Iterator[Frame]:
    """The samples of a fragment, each with its mark, its hash and its wall time."""
    commit = stored.commit
    decode_ticks, samples = fragment_samples(content[commit.offset : stored.data_offset - MDAT_HEADER_BYTES])
    position = stored.data_offset
    for sample in samples:
        ticks = decode_ticks + sample.composition_offset_ticks - commit.media_ticks
        wall_us = commit.wall_us + ticks * 1_000_000 // timescale
        number, crc32, intact = read_mark(content[position : position + sample.size_bytes], camera)
        yield Frame(number, wall_us, crc32, intact)
        decode_ticks += sample.duration_ticks
        position += sample.size_bytes


def read_mark(sample: bytes, camera: str) -> tuple[int, int, bool]:
    """Frame number, CRC-32 of the NAL units as they are, and whether mark, camera and CRC agree."""
    nals = split_length_prefixed(sample)
    mark, crc32 = find_sei(nals), checksum(nals)
    if mark is None:
        return -1, crc32, False
    return mark.frame, crc32, mark.crc32 == crc32 and mark.camera == camera_uuid(simulated_name(camera))


def read_video(path: Path, camera: str, start_us: int) -> Iterator[Seen]:
    """The frames inside the edit list, as libav's demuxer applies it; file time 0 is `start_us`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        time_base = stream.time_base
        assert time_base is not None
        for packet in container.demux(stream):
            if packet.pts is None or packet.is_discard or packet.pts < 0:
                continue
            number, crc32, intact = read_mark(bytes(packet), camera)
            wall_us = start_us + packet.pts * time_base.numerator * 1_000_000 // time_base.denominator
            yield Seen(number, wall_us, crc32, intact)


def chain_complaints(commits: Iterable[Commit]) -> Iterator[str]:
    """What is wrong with the chains: a run's fragments are numbered without a hole and linked one to the next."""
    for run, group in groupby(sorted(commits, key=_place), key=lambda commit: commit.identity.run):
        members = [*group]
        if _place(members[0])[1:] != (0, 0) or members[0].previous != ZERO_CHAIN:
            yield f"run {run:016x} does not begin at its beginning but at {_place(members[0])[1:]}"
        for before, after in pairwise(members):
            if after.previous != before.chain or not _next(after, before):
                yield f"run {run:016x}: {_place(after)[1:]} is not linked to {_place(before)[1:]}"
        for commit in members:
            if link(commit) != commit.chain:
                yield f"run {run:016x}: the link of {_place(commit)[1:]} does not verify"


def _place(commit: Commit) -> tuple[int, int, int]:
    return commit.identity.run, commit.identity.sequence, commit.fragment


def _next(after: Commit, before: Commit) -> bool:
    """Whether a fragment is the next one by its numbers."""
    if after.identity.sequence == before.identity.sequence:
        return after.fragment == before.fragment + 1
    return after.fragment == 0 and after.identity.sequence == before.identity.sequence + 1


def sent_frames(log: Path) -> dict[str, list[Sent]]:
    """S: each camera's frames in the order in which they were sent."""
    sent: dict[str, list[Sent]] = defaultdict(list)
    for frame in read_sent_log(log):
        name = frame.camera.replace("/", "-")
        sent[name].append(Sent(frame.frame, frame.sent_us, frame.crc32, frame.session))
    return sent


def evidence(
    archive: Archive,
    camera: str,
    *,
    from_us: int,
    to_us: int,
    frame_us: int,
    sent: list[Sent],
    announced: frozenset[FragmentId],
) -> tuple[CameraEvidence, set[UUID]]:
    """All that is known about one camera, and its segments; these from long before: A has no beginning."""
    timeline = archive.timeline(camera, from_us, to_us)
    footage = archive.footage(camera, from_us - LONG_BEFORE_US, to_us)
    return CameraEvidence(
        name=camera,
        from_us=from_us,
        to_us=to_us,
        frame_us=frame_us,
        sent=sent,
        announced=announced,
        fragments=footage.fragments,
        frames=archive.video(camera, from_us, to_us),
        spans=timeline["spans"],
        gaps=timeline["gaps"],
        missing=timeline["missing"],
        chain_breaks=footage.complaints,
    ), footage.segments


def unlisted(data: Path, known: set[UUID], to_us: int) -> Iterator[str]:
    """Where the objects that begin before `to_us` differ from the segments that playlists named: both must agree."""
    objects: dict[UUID, str] = {}
    for path in sorted((data / "objects").rglob("*.mp4")):
        key = path.relative_to(data / "objects").as_posix()
        identity, start_ms = parse_key(key)
        if start_ms * 1000 < to_us:
            objects[identity.segment_id] = key
    if strangers := sorted(objects.keys() - known):
        yield f"{len(strangers)} objects are not in any playlist, the first {objects[strangers[0]]}"
    names = (parse_segment_path(path) for path in (data / "spool").rglob("*.mp4*"))
    spooled = {name.identity.segment_id for name in names if name is not None}
    if lost := sorted(known - objects.keys() - spooled):
        yield f"{len(lost)} segments are neither objects nor in the spool, the first {lost[0]}"


def simulated_name(camera: str) -> str:
    """`cam-0001` is `cam/0001` to the simulator."""
    return camera.replace("-", "/")


def text(instant_us: int) -> str:
    """RFC 3339 UTC with microseconds."""
    return (EPOCH + instant_us * MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(written: str) -> int:
    """Microseconds UTC from RFC 3339."""
    return (datetime.fromisoformat(written) - EPOCH) // MICROSECOND
