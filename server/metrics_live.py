"""The live pictures in Prometheus text: who watches, who is too slow, and what is kept for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from playback.live_hub import LiveHub


def live_metrics(hub: LiveHub, record: dict[str, Any] | None) -> list[Metric]:
    """Of this process, and of the recorder as far as it answers."""
    counts = hub.counts
    viewers = GaugeMetricFamily("hulta_live_viewers", "Who watches live.", labels=["door"])
    skips = CounterMetricFamily(
        "hulta_live_skips", "Times a viewer was too slow and went on at a newer sync sample.", labels=["door"]
    )
    cut = CounterMetricFamily(
        "hulta_live_cut", "Viewers that were closed because they stayed too slow.", labels=["door"]
    )
    for metric, numbers in ((viewers, counts.viewers), (skips, counts.skips), (cut, counts.cut)):
        for door, number in numbers.items():
            metric.add_metric([door], number)
    kept = GaugeMetricFamily("hulta_live_bytes", "Newest pictures kept for viewers.", labels=["role"])
    kept.add_metric(["serve"], hub.size_bytes)
    refused = CounterMetricFamily("hulta_live_refused", "Viewers that were one too many.", value=counts.refused)
    cameras = GaugeMetricFamily("hulta_live_cameras", "Cameras that are watched, or were a moment ago.")
    cameras.add_metric([], hub.cameras)
    return [viewers, skips, cut, refused, cameras, kept, *_of_recorder(kept, (record or {}).get("live"))]


def _of_recorder(kept: GaugeMetricFamily, live: dict[str, Any] | None) -> list[Metric]:
    if live is None:
        return []
    kept.add_metric(["record"], live["bytes"])
    return [
        GaugeMetricFamily("hulta_live_subscribers", "Readers of the live socket.", value=live["subscribers"]),
        CounterMetricFamily("hulta_live_subscribers_cut", "Readers of it that took nothing.", value=live["cut"]),
    ]
