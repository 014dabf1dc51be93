"""The object store, listed from outside: a directory, or a bucket that is asked without the product in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import minio

from media.identity import parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from uuid import UUID


def stored(data: Path, store: Mapping[str, Any]) -> dict[UUID, str]:
    """The key of every object by the segment it is. `store` as the configuration has it; empty: below `data`."""
    keys = _keys_of_bucket(store) if "endpoint" in store else _keys_of_directory(data / "objects")
    return {parse_key(key)[0].segment_id: key for key in keys if key.endswith(".mp4")}


def _keys_of_directory(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.mp4")))


def _keys_of_bucket(store: Mapping[str, Any]) -> Iterator[str]:
    server, place = urlsplit(store["endpoint"]), urlsplit(store["url"])
    client = minio.Minio(
        server.netloc,
        access_key=store.get("access_key"),
        secret_key=store.get("secret_key"),
        region=store.get("region"),
        secure=server.scheme == "https",
    )
    prefix = place.path.strip("/") + "/" if place.path.strip("/") else ""
    for found in client.list_objects(place.netloc, prefix=f"{prefix}v1/", recursive=True):
        assert found.object_name is not None
        yield found.object_name.removeprefix(prefix)


def unlisted(objects: Mapping[UUID, str], known: AbstractSet[UUID], to_us: int) -> Iterator[str]:
    """Where the objects that begin before `to_us` differ from the segments that playlists named: both must agree."""
    strangers = [key for segment, key in objects.items() if segment not in known and parse_key(key)[1] * 1000 < to_us]
    if strangers:
        yield f"{len(strangers)} objects are not in any playlist, the first {strangers[0]}"
    if lost := sorted(known - objects.keys()):
        yield f"{len(lost)} segments of playlists are no objects, the first {lost[0]}"
