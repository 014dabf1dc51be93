"""A camera's row, its URL sealed: what the embedded catalog and PostgreSQL have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import NotFound
from media.url import CameraUrl
from storage.model import Camera

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.secrets import SecretBox


def camera_of(row: Any, box: SecretBox, *, uuid: Callable[[Any], UUID]) -> Camera:
    """A row of `cameras`. `uuid` reads an id as it lies in the row."""
    camera_id = uuid(row["id"])
    return Camera(
        id=camera_id,
        name=row["name"],
        site=row["site_name"],
        stream=uuid(row["stream"]),
        epoch=row["epoch"],
        url=CameraUrl.parse(box.open(row["sealed_url"], place_of_url(camera_id))),
        policy=row["policy"],
        enabled=bool(row["enabled"]),
        origin=row["origin"],
        enabled_since_us=row["enabled_since_us"],
        expected_since_us=row["expected_since_us"],
        bitrate_bps=row["bitrate_bps"],
        transport=row["transport"],
        tls_ca=row["tls_ca"],
        tls_pin=row["tls_pin"],
        audio=bool(row["audio"]),
        source=row["source"],
        klass=row["class"],
    )


def camera_columns(camera: Camera, box: SecretBox) -> dict[str, Any]:
    """And back; `site` is its name."""
    return {
        "id": camera.id,
        "stream": camera.stream,
        "name": camera.name,
        "site": camera.site,
        "policy": camera.policy,
        "class": camera.klass,
        "origin": camera.origin,
        "enabled": camera.enabled,
        "enabled_since_us": camera.enabled_since_us,
        "sealed_url": box.seal(camera.url.unredacted(), place_of_url(camera.id)),
        "bitrate_bps": camera.bitrate_bps,
        "transport": camera.transport,
        "tls_ca": camera.tls_ca,
        "tls_pin": camera.tls_pin,
        "audio": camera.audio,
        "source": camera.source,
    }


def resealed(row: Any, box: SecretBox, *, uuid: Callable[[Any], UUID]) -> bytes | None:
    """The URL of a row, sealed with the key that seals now; None if that is what sealed it."""
    sealed, place = bytes(row["sealed_url"]), place_of_url(uuid(row["id"]))
    return None if box.is_sealed_now(sealed) else box.seal(box.open(sealed, place), place)


def id_in(text: str) -> UUID | None:
    """An id as it is printed, and in no other spelling."""
    try:
        candidate = UUID(text)
    except ValueError:
        return None
    return candidate if str(candidate) == text else None


def no_camera(id_or_name: str) -> NotFound:
    """The error for a camera that there is not."""
    return NotFound(f"no camera {id_or_name!r}", hint="`hulta cameras list` shows names and ids")


def place_of_url(camera: UUID) -> str:
    """What a sealed URL is bound to: the camera and the field."""
    return f"camera {camera} url"
