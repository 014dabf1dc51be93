"""`/metrics`, and what is made of it: the alert rules and the dashboard that come with Hulta."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from server.status_socket import answering
from storage.layout import Layout
from tests.builders_playback import NOON_US, Archive
from tests.builders_server import recorder, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus-rules.yml"
DASHBOARD = PACKAGING / "grafana-dashboard.json"
SHIP: dict[str, Any] = {
    "pid": 2,
    "backlog_segments": 7,
    "backlog_bytes": 7000,
    "spools": [
        {
            "path": "/srv/a",
            "size_bytes": 10,
            "free_bytes": 9,
            "step": 0,
            "given_up_segments": 0,
            "given_up_bytes": 0,
            "full_in_us": 1,
            "lasts_us": 1,
        }
    ],
}
NEEDS = {f"{kind}_{unit}_per_s": 1 for kind in ("measured", "needed") for unit in ("bytes", "syncs")}
CHANNEL = {"waiting": 1, "sent": 1, "dropped": 0, "failures": 0}


@pytest.fixture(name="archive")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.create(tmp_path, now_us=NOON_US + 3_000_000)
    yield archive
    await archive.close()


async def metrics(archive: Archive, *, silent: str = "") -> str:
    """The text, while every part has something to tell; but for one."""
    through_us = NOON_US + 2_000_000
    durable = {"epoch": 1, "sequence": 0, "fragment": 0, "through_us": through_us}
    said = recorder(archive.camera, durable=durable, conditions={"frozen_picture": NOON_US})
    said["live"] = {"subscribers": 3, "streams": 2, "cut": 5, "bytes": 4000}
    said["spools"] = [{"path": "/srv/a", "retired": "", **NEEDS}]
    documents = {
        "record": said,
        "ship": SHIP,
        "keep": {"pid": 4, "alerts": {"open": 1, "channels": {"webhook": CHANNEL}}},
        "supervisor": {"pid": 3, "children": {"record": {"restarts": 2}}},
    }
    data = Layout(archive.root)
    documents.pop(silent, None)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(serving(archive))
        for role, document in documents.items():
            await stack.enter_async_context(answering(data.socket(role), lambda document=document: document))
        return (await http.get("/metrics")).text


async def test_metrics_are_what_an_alarm_needs(archive: Archive) -> None:
    """State, age of the newest durable footage, counters, backlog, disk, processes."""
    text = await metrics(archive, silent="keep")
    labels = 'camera="gate",site="town"'
    for line in (
        f'hulta_camera_state{{{labels},state="recording"}} 1.0',
        f'hulta_camera_state{{{labels},state="failed"}} 0.0',
        f"hulta_camera_footage_age_seconds{{{labels}}} 1.0",
        'hulta_camera_condition{camera="gate",condition="frozen_picture",site="town"} 1.0',
        'hulta_camera_condition{camera="gate",condition="camera_clock",site="town"} 0.0',
        f"hulta_camera_clock_offset_seconds{{{labels}}} -0.12",
        f"hulta_camera_received_bytes_total{{{labels}}} 1000.0",
        f"hulta_camera_lost_packets_total{{{labels}}} 3.0",
        f"hulta_camera_sessions_total{{{labels}}} 2.0",
        f"hulta_camera_overflowed_packets_total{{{labels}}} 5.0",
        "hulta_backlog_segments 7.0",
        "hulta_live_subscribers 3.0",
        "hulta_live_subscribers_cut_total 5.0",
        'hulta_live_bytes{role="record"} 4000.0',
        'hulta_live_viewers{door="websocket"} 0.0',
        'hulta_restarts_total{role="record"} 2.0',
        'hulta_up{role="record"} 1.0',
        'hulta_up{role="keep"} 0.0',
        "hulta_catalog_up 1.0",
    ):
        assert line in text.splitlines()
    assert "hulta_disk_free_bytes" in text


def alert_expressions() -> list[str]:
    """Those of the rules file, which has its form."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert all({"alert", "expr", "labels", "annotations"} <= rule.keys() for rule in group["rules"])
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    return [rule["expr"] for rule in group["rules"]]


def panel_expressions() -> list[str]:
    """Those of the dashboard."""
    return [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]


async def test_rules_and_dashboard_ask_for_what_there_is(archive: Archive) -> None:
    """A rule over a metric that is called otherwise never fires, and nobody notices. Labels with their values, too."""
    text = await metrics(archive)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = {re.split(r"[{ ]", line)[0] for line in lines}
    for expression in [*alert_expressions(), *panel_expressions()]:
        asked = re.findall(r"(hulta_\w+)(?:\{([^}]*)\})?", expression)
        assert asked, expression
        for name, matchers in asked:
            assert name in names, expression
            for label, value in re.findall(r'(\w+)="(\w+)"', matchers):
                assert any(line.startswith(f"{name}{{") and f'{label}="{value}"' in line for line in lines), expression


def test_every_alert_rule_says_what_to_do() -> None:
    """In the book that is open at three in the morning."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    book = (PACKAGING.parent / "docs" / "operations.md").read_text()
    assert re.findall(r"^\| `(Hulta\w+)` \|", book, re.MULTILINE) == [rule["alert"] for rule in group["rules"]]
