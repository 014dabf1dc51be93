"""The object store, listed from outside: a directory today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.identity import parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from uuid import UUID


def stored(data: Path) -> dict[UUID, str]:
    """The key of every object by the segment it is."""
    folder = data / "objects"
    keys = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.mp4")))
    return {parse_key(key)[0].segment_id: key for key in keys}


def unlisted(objects: Mapping[UUID, str], known: AbstractSet[UUID], to_us: int) -> Iterator[str]:
    """Where the objects that begin before `to_us` differ from the segments that playlists named: both must agree."""
    strangers = [key for segment, key in objects.items() if segment not in known and parse_key(key)[1] * 1000 < to_us]
    if strangers:
        yield f"{len(strangers)} objects are not in any playlist, the first {strangers[0]}"
    if lost := sorted(known - objects.keys()):
        yield f"{len(lost)} segments of playlists are no objects, the first {lost[0]}"
