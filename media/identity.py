"""Who a segment is: (stream, epoch, run, sequence), its id, and the name of its object.

Nothing here can change or come again: UUIDs instead of names or counters, and a run that is drawn at random. So a
segment has the same id in spool, catalog and URL, and two segments never fight for one key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID, uuid5

from media.errors import MediaError

LIMIT = 1 << 63
"""Epoch, run and sequence stay below it: databases without unsigned integers hold them."""

_DAY_MS = 86_400_000
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEY = re.compile(
    rf"v1/(?P<camera>{_UUID})/(?P<stream>{_UUID})/[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/[0-9]{{2}}/"
    r"(?P<start>[0-9]{1,15})-(?P<epoch>[0-9]{1,19})-(?P<run>[0-9a-f]{16})-(?P<sequence>[0-9]{1,19})\.mp4"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentIdentity:
    """Who recorded a segment, and its place: ordered by (epoch, run, sequence), never by time."""

    camera: UUID
    stream: UUID
    epoch: int
    run: int
    sequence: int

    @property
    def segment_id(self) -> UUID:
        """The id in catalog and URL: a UUIDv5 of the identity, with the stream as its namespace."""
        return uuid5(self.stream, f"{self.epoch}-{self.run:016x}-{self.sequence}")

    def __str__(self) -> str:
        return f"{self.stream}/{self.epoch}-{self.run:016x}-{self.sequence}"


def object_key(identity: SegmentIdentity, start_us: int) -> str:
    """The name of the segment's object: sorted by camera, stream and time, and made of immutable facts only."""
    start_ms = start_us // 1000
    year, month, day = _date(start_ms // _DAY_MS)
    hour = start_ms % _DAY_MS // 3_600_000
    return (
        f"v1/{identity.camera}/{identity.stream}/{year:04}/{month:02}/{day:02}/{hour:02}/"
        f"{start_ms:013}-{identity.epoch}-{identity.run:016x}-{identity.sequence}.mp4"
    )


def parse_key(key: str) -> tuple[SegmentIdentity, int]:
    """Identity and start in milliseconds from an object key; MediaError unless it is spelled as `object_key` does."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise MediaError(f"not the key of a segment: {key!r}")
    identity = SegmentIdentity(
        camera=UUID(match["camera"]),
        stream=UUID(match["stream"]),
        epoch=int(match["epoch"]),
        run=int(match["run"], 16),
        sequence=int(match["sequence"]),
    )
    start_ms = int(match["start"])
    if max(identity.epoch, identity.run, identity.sequence) >= LIMIT or object_key(identity, start_ms * 1000) != key:
        raise MediaError(f"the parts of this key contradict each other: {key!r}")
    return identity, start_ms


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day, `days` after 1970-01-01.

    The kernel has no clock and so no `datetime`. The year is taken to begin in March, which puts the leap day last
    (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    """
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day
