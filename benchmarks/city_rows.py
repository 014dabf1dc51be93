"""The archive of a city after 62 days, as rows: 220 cameras in 55 sites, a segment a minute, outages and restarts.

Rows come in the order in which they arrive in life, minute by minute over all cameras. That order decides where a
camera's day lies in the file (all over it), and with that how long it takes to read from a cold disk.

Everything follows from the seed. The footage ends long ago, so that no machine's clock makes it future.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from benchmarks.city_minutes import MINUTE_US, Minute, synthetic
from media.identity import SegmentIdentity
from media.sample_table import SampleSums
from media.url import CameraUrl
from retention.policy import Schedule, explain
from storage.model import DesiredCamera, DesiredSite, Policy, Segment, SegmentState, main_stream

SEED = 2018
SITES, CAMERAS_PER_SITE = 55, 4
CAMERAS = SITES * CAMERAS_PER_SITE
MINUTES_PER_DAY = 1440
DAY_US = MINUTES_PER_DAY * MINUTE_US
END_US = 1_761_955_200_000_000
"""2025-11-01T00:00:00Z."""

NOW_US = END_US + MINUTE_US
"""When all has been recorded and nothing is due: the last minute of every camera is over, the oldest not yet due."""

KEEP_DAYS = 62
ROOM_MINUTES = 20  # the oldest segment is not yet due for deletion
MINUTES_OF_A_KIND = 200
RESTART_EVERY_MINUTES = 7 * MINUTES_PER_DAY
RESTART_AT_MINUTE = 4 * 60
EPOCH = 1
FILMED_EVERY = 11  # each eleventh camera has a last day with objects and sample tables: 20 cameras
KINDS = (
    {"rate": 25, "jitter_ticks": 0},
    {"rate": 25, "jitter_ticks": 90},
    {"rate": 25, "jitter_ticks": 0},
    {"rate": 12, "jitter_ticks": 400, "gop_seconds": 8},
)


class Row(NamedTuple):
    """A row of `segments` in the order of its columns."""

    id: bytes
    stream: bytes
    camera: bytes
    epoch: int
    run: int
    sequence: int
    span: int
    state: str
    start_us: int
    end_us: int
    media_ticks: int
    duration_ticks: int
    timescale: int
    samples: int
    sync_samples: int
    lost_packets: int
    codec: str
    width: int
    height: int
    init_bytes: int
    size_bytes: int
    sha256: bytes | None
    chain: bytes
    fragments: bytes
    marked_us: int | None
    mark_policy: str | None
    mark_reason: str | None
    payload_bytes: int
    duration_runs: int
    offset_runs: int
    least_offset_ticks: int
    last_sample_ticks: int
    was_missing: int = 0

    @property
    def segment(self) -> Segment:
        """The segment as a recorder would have sealed it: neither stored nor marked yet."""
        return Segment(
            identity=SegmentIdentity(
                camera=UUID(bytes=self.camera),
                stream=UUID(bytes=self.stream),
                epoch=self.epoch,
                run=self.run,
                sequence=self.sequence,
            ),
            span=self.span,
            state=SegmentState.SPOOLED,
            start_us=self.start_us,
            end_us=self.end_us,
            media_ticks=self.media_ticks,
            duration_ticks=self.duration_ticks,
            timescale=self.timescale,
            samples=self.samples,
            sync_samples=self.sync_samples,
            lost_packets=self.lost_packets,
            codec=self.codec,
            width=self.width,
            height=self.height,
            init_bytes=self.init_bytes,
            size_bytes=self.size_bytes,
            sha256=None,
            fragments=self.fragments,
            chain=self.chain,
            sums=SampleSums(*(getattr(self, name) for name in SampleSums._fields)),
        )


class Outage(NamedTuple):
    """Minutes without footage, counted from the archive's beginning."""

    first: int
    stop: int
    reason: str


@dataclass(slots=True)
class CityCamera:
    """A camera, what it will go through, and where it is."""

    number: int
    name: str
    id: UUID
    stream: UUID
    phase_us: int
    minutes: list[Minute]
    outages: list[Outage]
    run: int = 0
    sequence: int = 0
    span: int = 0
    media_ticks: int = 0
    resting: bool = False
    next_outage: int = 0
    spans: list[tuple[int, int, int]] = field(default_factory=list)  # run, span, start

    def rests(self, minute: int) -> bool:
        """Whether nothing is recorded in this minute. Asked minute by minute."""
        while self.next_outage < len(self.outages) and self.outages[self.next_outage].stop <= minute:
            self.next_outage += 1
        return self.next_outage < len(self.outages) and self.outages[self.next_outage].first <= minute

    @property
    def filmed(self) -> bool:
        """Whether its last day can be played."""
        return self.number % FILMED_EVERY == 0


def names() -> list[tuple[str, list[str]]]:
    """Sites with the names of their cameras."""
    areas = ("hulta", "hassleholmen", "norrby")
    sites = [f"{areas[number % 3]}-{number:03}" for number in range(SITES)]
    return [(site, [f"{site}-{letter}" for letter in "abcd"]) for site in sites]


def camera_id(name: str) -> UUID:
    """The same in every catalog."""
    return uuid5(NAMESPACE_URL, f"benchmark:{name}")


def phases() -> list[tuple[str, int]]:
    """All cameras in order, and how far into each minute their segments begin."""
    every = [name for _, cameras in names() for name in cameras]
    return [(name, number * MINUTE_US // CAMERAS) for number, name in enumerate(every)]


def desired(*, enabled: bool) -> list[DesiredSite]:
    """The city as a configuration wants it. The cameras end up disabled: a recorder over this catalog leaves them."""
    url = CameraUrl.parse("rtsp://127.0.0.1/none")
    return [
        DesiredSite(
            name=site,
            cameras=tuple(
                DesiredCamera(name=name, id=camera_id(name), url=url, enabled=enabled, bitrate_bps=4_000_000)
                for name in cameras
            ),
        )
        for site, cameras in names()
    ]


class City:
    """All cameras for so many minutes; `film` is what the last day of the filmed ones shows, with its hash.

    With another `seed` and `end_us` it is what arrives next: other runs, and so other segments.
    """

    def __init__(
        self, minutes: int, film: tuple[Minute, bytes] | None = None, *, seed: int = SEED, end_us: int = END_US
    ) -> None:
        self.minutes = minutes
        self.begin_us = end_us - minutes * MINUTE_US
        self.policy = _policy(minutes)
        self._mark_age_us = Schedule.of(self.policy).mark_age_us
        self.film = film
        self.film_from = max(0, minutes - MINUTES_PER_DAY)
        self._random = random.Random(seed)
        self._runs = [self._random.getrandbits(62) for _ in range(2 + minutes // RESTART_EVERY_MINUTES)]
        shapes = np.random.default_rng(seed)
        kinds = [[synthetic(shapes, **kind) for _ in range(MINUTES_OF_A_KIND)] for kind in KINDS]
        self.cameras = [
            self._camera(number, name, phase_us, kinds[number % len(kinds)])
            for number, (name, phase_us) in enumerate(phases())
        ]
        film_from_us = self.begin_us + self.film_from * MINUTE_US
        self._filmed_from = {
            camera.stream.bytes: film_from_us + camera.phase_us for camera in self.cameras if camera.filmed
        }

    def rows(self) -> Iterator[Row]:
        """Every segment, in the order of arrival."""
        return (row for row, _ in self.arrivals())

    def arrivals(self) -> Iterator[tuple[Row, bytes]]:
        """The same, each with its sample table."""
        for number in range(self.minutes):
            run = self._runs[_restarts_before(number)]
            for camera in self.cameras:
                if camera.rests(number):
                    camera.resting = True
                else:
                    yield self._row(camera, number, run)

    def runs(self) -> list[tuple[int, int, int | None]]:
        """Run, start and end; the last one goes on."""
        starts = [self.begin_us, *(self.begin_us + (minute + 1) * MINUTE_US for minute in _restarts(self.minutes))]
        ends = [*(start - MINUTE_US // 2 for start in starts[1:]), None]
        return list(zip(self._runs, starts, ends, strict=False))

    def gaps(self, camera: CityCamera) -> list[tuple[int, int, str]]:
        """Start, end and reason of what the camera missed."""
        at = self.begin_us + camera.phase_us
        missed = [(at + gap.first * MINUTE_US, at + gap.stop * MINUTE_US, gap.reason) for gap in camera.outages]
        edges = [(self.begin_us, at, "shutdown"), (END_US + camera.phase_us, NOW_US, "shutdown")]
        return missed + [edge for edge in edges if edge[0] < edge[1]]

    def tables(self, rows: Sequence[Row]) -> list[tuple[bytes, bytes]]:
        """Id and sample table of those rows that have one."""
        if self.film is None:
            return []
        table = self.film[0].table
        return [(row.id, table) for row in rows if row.start_us >= self._filmed_from.get(row.stream, NOW_US)]

    def _row(self, camera: CityCamera, number: int, run: int) -> tuple[Row, bytes]:
        if run != camera.run:
            camera.run, camera.sequence, camera.span, camera.media_ticks = run, 0, 0, 0
        elif camera.resting:
            camera.span, camera.media_ticks = camera.span + 1, 0
        start_us = self.begin_us + camera.phase_us + number * MINUTE_US
        if camera.resting or not camera.spans or camera.spans[-1][0] != run:
            camera.spans.append((run, camera.span, start_us))
        camera.resting = False
        shape, sha256 = self._shape(camera, number)
        marked = start_us + MINUTE_US <= NOW_US - self._mark_age_us
        row = Row(
            segment_id(camera.stream, run, camera.sequence),
            camera.stream.bytes,
            camera.id.bytes,
            EPOCH,
            run,
            camera.sequence,
            camera.span,
            "marked" if marked else "stored",
            start_us,
            start_us + MINUTE_US,
            camera.media_ticks,
            shape.duration_ticks,
            90_000,
            shape.samples,
            shape.sync_samples,
            shape.lost_packets,
            shape.codec,
            shape.width,
            shape.height,
            shape.init_bytes,
            shape.size_bytes,
            sha256,
            self._random.randbytes(32),
            shape.at(start_us, camera.media_ticks),
            start_us + MINUTE_US + self._mark_age_us if marked else None,
            self.policy.name if marked else None,
            explain(self.policy) if marked else None,
            *shape.sums,
        )
        camera.sequence += 1
        camera.media_ticks += shape.duration_ticks
        return row, shape.table

    def _shape(self, camera: CityCamera, number: int) -> tuple[Minute, bytes]:
        if self.film is not None and camera.filmed and number >= self.film_from:
            return self.film
        return camera.minutes[(number * 7 + camera.number) % len(camera.minutes)], self._random.randbytes(32)

    def _camera(self, number: int, name: str, phase_us: int, minutes: list[Minute]) -> CityCamera:
        identity = camera_id(name)
        return CityCamera(
            number=number,
            name=name,
            id=identity,
            stream=main_stream(identity),
            phase_us=phase_us,
            minutes=minutes,
            outages=self._outages(filmed=number % FILMED_EVERY == 0),
        )

    def _outages(self, *, filmed: bool) -> list[Outage]:
        """One a day of up to ten minutes, a minute at each restart, and one before the day that can be played."""
        missed: dict[int, str] = {}
        for day in range(0, self.minutes, MINUTES_PER_DAY):
            first = day + self._random.randrange(1, MINUTES_PER_DAY)
            missed |= dict.fromkeys(range(first, first + self._random.randint(1, 10)), "unreachable")
        missed |= dict.fromkeys(_restarts(self.minutes), "shutdown")
        if filmed and self.film_from:
            missed[self.film_from - 1] = "no_sync"
        inside = sorted(minute for minute in missed if minute < self.minutes - 1)
        return _joined([Outage(minute, minute + 1, missed[minute]) for minute in inside])


def _policy(minutes: int) -> Policy:
    """As long as the archive is, so that its oldest rows are marked; a day alone stays visible as a whole."""
    kept = minutes + ROOM_MINUTES if minutes > 2 * MINUTES_PER_DAY else KEEP_DAYS * MINUTES_PER_DAY
    return Policy(name="default", keep_max_us=kept * MINUTE_US, purpose="benchmark")


def segment_id(stream: UUID, run: int, sequence: int) -> bytes:
    """`SegmentIdentity.segment_id` without the objects around it: a UUIDv5 in a third of the time."""
    digest = bytearray(hashlib.sha1(stream.bytes + b"%d-%016x-%d" % (EPOCH, run, sequence)).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def _restarts(minutes: int) -> range:
    return range(RESTART_AT_MINUTE, minutes - 1, RESTART_EVERY_MINUTES)


def _restarts_before(minute: int) -> int:
    return (minute - RESTART_AT_MINUTE + RESTART_EVERY_MINUTES - 1) // RESTART_EVERY_MINUTES


def _joined(outages: list[Outage]) -> list[Outage]:
    """Neighbours of one reason as one."""
    joined: list[Outage] = []
    for outage in outages:
        if joined and joined[-1].stop == outage.first and joined[-1].reason == outage.reason:
            joined[-1] = Outage(joined[-1].first, outage.stop, outage.reason)
        else:
            joined.append(outage)
    return joined
