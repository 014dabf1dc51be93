"""A configuration read as a fleet of simulated cameras: the same sites, names and bit rates, without its secrets.

What is only needed to reach real cameras does not count here: addresses and credentials are not looked at, and a
variable that is not set is no error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from media.errors import ConfigError
from server import settings_errors, yaml_loader
from server.settings import Settings, read_text
from server.yaml_loader import field_name
from simulator import CameraOptions
from simulator.options import check_drawable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.yaml_loader import Document

_BITRATE_BPS = 4_000_000
_ANYWHERE = "rtsp://127.0.0.1/"
_LEFT_ASIDE = ("host", "catalog", "store", "spool", "segments")
"""Tables about the recorder. Their values may be variables that only its own host knows."""


class _Variables(Mapping[str, str]):
    """The environment, in which everything is set."""

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name, "unset")

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def read_fleet(path: Path) -> tuple[CameraOptions, ...]:
    """Every camera of the file, in its order. Raises ConfigError with file, line and field."""
    return read_city(path)[1]


def read_city(path: Path) -> tuple[Settings, tuple[CameraOptions, ...]]:
    """The file's sites and policies, their addresses and secrets left aside, and every camera. ConfigError as above."""
    document = yaml_loader.load(read_text(path), file=str(path), environment=_Variables())
    document = replace(document, value=_without_secrets(document.value))
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        raise settings_errors.explain(error, document) from None
    fleet = tuple(_cameras(settings, document))
    if not fleet:
        raise ConfigError(f"{path}:1: sites: there is no camera to simulate")
    return settings, fleet


def _cameras(settings: Settings, document: Document) -> Iterator[CameraOptions]:
    for place, site in enumerate(settings.sites):
        for number, camera in enumerate(site.cameras):
            where = ("sites", place, "cameras", number)
            try:
                options = CameraOptions(
                    name=camera.name,
                    site=site.name,
                    bitrate_bps=camera.bitrate or _BITRATE_BPS,
                    fps=camera.simulate.fps,
                    gop_us=camera.simulate.gop,
                    b_frames=camera.simulate.b_frames,
                    codec=camera.simulate.codec,
                    audio=camera.simulate.audio or "",
                )
                check_drawable(options.kind)
            except ConfigError as error:
                line = document.line(where)
                raise ConfigError(f"{document.file}:{line}: {field_name(where)}: {error}") from None
            yield options


def _without_secrets(value: Any) -> Any:
    """What has the right shape, with an address that is right; what has not is left for the settings to refuse."""
    if not isinstance(value, dict):
        return value
    sites = value.get("sites")
    if isinstance(sites, list):
        value = {**value, "sites": [_public_site(site) for site in sites]}
    return {key: item for key, item in value.items() if key not in _LEFT_ASIDE}


def _public_site(site: Any) -> Any:
    if not isinstance(site, dict) or not isinstance(site.get("cameras"), list):
        return site
    return {**site, "cameras": [_public_camera(camera) for camera in site["cameras"]]}


def _public_camera(camera: Any) -> Any:
    if not isinstance(camera, dict):
        return camera
    public = {
        key: item for key, item in camera.items() if key not in {"username", "password", "sub_url", "tls_ca", "tls_pin"}
    }
    return {**public, "url": _ANYWHERE}
