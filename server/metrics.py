"""Prometheus text: what an alarm is made of. Names and labels are part of the public contract once released."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from media.errors import HultaError
from server.metrics_live import live_metrics
from server.metrics_storage import gauge, recorded_disks, shipping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from server.parts import Parts
    from storage.model import Camera

CONDITIONS = ("frozen_picture", "frozen_timestamps", "camera_clock")
STATES = ("disabled", "connecting", "recording", "failed")
CAMERA_LABELS = ("camera", "site")
COUNTERS = {
    "received_bytes": "Bytes received from the camera by this recording process.",
    "frames": "Access units received from the camera by this recording process.",
    "lost_packets": "RTP packets that never arrived.",
    "sessions": "RTSP sessions begun.",
    "overtaken_packets": "Datagrams that came out of order and were put back in order.",
    "late_packets": "RTP packets that came too late or twice.",
    "foreign_packets": "RTP packets of another source than the camera's, or of another address.",
    "overflowed_packets": "Datagrams that found no room in this host's buffers.",
}


class _Fixed:
    """A collector of metrics that are there already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """These."""
        return self._metrics


async def render(parts: Parts) -> tuple[bytes, str]:
    """The text and its media type. A part that is down is left out; `hulta_up` says so."""
    roles = await parts.fleet.states()
    metrics = [*_processes(roles), *shipping(roles["ship"]), *_alerting(roles["keep"])]
    metrics += [*recorded_disks(roles["record"]), *live_metrics(parts.live, roles["record"])]
    metrics.append(await asyncio.to_thread(_disk, parts.data.root))
    try:
        cameras = await parts.catalog.inventory.cameras()
        metrics += await _cameras(parts, cameras)
        catalog_up = 1
    except HultaError:
        catalog_up = 0
    metrics.append(gauge("hulta_catalog_up", "Whether the catalog answers.", catalog_up))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(metrics))
    return generate_latest(registry), CONTENT_TYPE_LATEST


async def _cameras(parts: Parts, cameras: Sequence[Camera]) -> list[Metric]:
    state = GaugeMetricFamily(
        "hulta_camera_state", "1 for the state the camera is in.", labels=[*CAMERA_LABELS, "state"]
    )
    age = GaugeMetricFamily(
        "hulta_camera_footage_age_seconds", "Age of the camera's newest durable footage.", labels=CAMERA_LABELS
    )
    condition = GaugeMetricFamily(
        "hulta_camera_condition", "1 for what is odd about a camera that sends.", labels=[*CAMERA_LABELS, "condition"]
    )
    offset = GaugeMetricFamily(
        "hulta_camera_clock_offset_seconds",
        "The camera's own clock minus this host's, by its sender reports.",
        labels=CAMERA_LABELS,
    )
    counters = {
        name: CounterMetricFamily(f"hulta_camera_{name}", text, labels=CAMERA_LABELS) for name, text in COUNTERS.items()
    }
    now_us = parts.clock.wall_us()
    for camera in cameras:
        labels = (camera.name, camera.site)
        current = (await parts.cameras.describe(camera))["state"]
        for name in STATES:
            state.add_metric([*labels, name], float(name == current))
        through_us = await parts.cameras.durable_through_us(camera)
        if through_us is not None:
            age.add_metric(labels, max(0, now_us - through_us) / 1_000_000)
        live = parts.fleet.stream(camera.stream) or {}
        for name in CONDITIONS:
            condition.add_metric([*labels, name], float(name in (live.get("conditions") or {})))
        if (offset_us := live.get("camera_clock_offset_us")) is not None:
            offset.add_metric(labels, offset_us / 1_000_000)
        for name, counter in counters.items():
            counter.add_metric(labels, live.get(name, 0))
    return [state, age, condition, offset, *counters.values()]


def _processes(roles: dict[str, dict[str, Any] | None]) -> list[Metric]:
    up = GaugeMetricFamily("hulta_up", "Whether a process answers.", labels=["role"])
    for name, document in roles.items():
        up.add_metric([name], float(document is not None))
    restarts = CounterMetricFamily(
        "hulta_restarts", "Times the supervisor had to start a process again.", labels=["role"]
    )
    for name, child in ((roles["supervisor"] or {}).get("children") or {}).items():
        restarts.add_metric([name], child["restarts"])
    return [up, restarts]


def _alerting(keep: dict[str, Any] | None) -> list[Metric]:
    """What is open, and how far it was told."""
    alerts = (keep or {}).get("alerts")
    if alerts is None:
        return []
    waiting = GaugeMetricFamily("hulta_alerts_waiting", "Alerts that were not sent yet.", labels=["channel"])
    sent = CounterMetricFamily("hulta_alerts_sent", "Alerts that were taken.", labels=["channel"])
    dropped = CounterMetricFamily("hulta_alerts_dropped", "Alerts that were given up.", labels=["channel"])
    failures = CounterMetricFamily("hulta_alert_failures", "Attempts to send that failed.", labels=["channel"])
    for name, channel in alerts["channels"].items():
        for metric, key in ((waiting, "waiting"), (sent, "sent"), (dropped, "dropped"), (failures, "failures")):
            metric.add_metric([name], channel[key])
    return [gauge("hulta_alerts_open", "Alerts that are not over.", alerts["open"]), waiting, sent, dropped, failures]


def _disk(directory: Path) -> Metric:
    numbers = os.statvfs(directory)
    return gauge(
        "hulta_disk_free_bytes", "Free space where the data directory is.", numbers.f_bavail * numbers.f_frsize
    )
