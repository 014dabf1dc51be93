"""What is worth an alert: once when it begins, once when it is over, and nothing again after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.alert_file import AlertFile
from server.alert_watch import AlertWatch

if TYPE_CHECKING:
    from pathlib import Path

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
START_US = 1_800_000_000_000_000


class Recorder:
    """A recorder with some cameras, looked at every 2 s."""

    def __init__(self, watch: AlertWatch | None = None) -> None:
        self.watch = watch or AlertWatch(stopped_after_us=10 * SECOND_US)
        self.boot_us = SECOND_US
        self.run = "aa"
        self.streams: dict[str, dict[str, Any]] = {}
        self.silent = False
        self.told: list[tuple[str, bool, str]] = []
        self.camera("gate")

    def camera(self, name: str, **said: Any) -> None:
        """What it says of a camera from now on."""
        known = {"camera": name, "name": name, "state": "recording", "reason": None, "detail": None}
        self.streams[f"stream-{name}"] = {**known, **self.streams.get(f"stream-{name}", {}), **said}

    def go_on(self, seconds: int) -> list[tuple[str, bool, str]]:
        """So long; what was told meanwhile, as kind, over, camera."""
        before = len(self.told)
        for _ in range(0, seconds, 2):
            record = None if self.silent else {"run": self.run, "streams": self.streams}
            alerts = self.watch.look(record, boot_us=self.boot_us, wall_us=START_US + self.boot_us)
            self.told += [(alert.kind, alert.over, alert.camera) for alert in alerts]
            self.boot_us += 2 * SECOND_US
        return self.told[before:]


def test_a_camera_that_stopped_is_told_after_its_time_and_when_it_is_back() -> None:
    """With the reason, and since when; back is after ten seconds of recording."""
    recorder = Recorder()
    recorder.go_on(4)
    recorder.camera("gate", state="failed", reason="unreachable", detail="no answer")
    assert recorder.go_on(10) == []
    assert recorder.go_on(2) == [("stopped", False, "gate")]
    assert recorder.go_on(3600) == []
    recorder.camera("gate", state="recording", reason=None)
    assert recorder.go_on(10) == []
    assert recorder.go_on(2) == [("stopped", True, "gate")]
    assert recorder.go_on(600) == []


def test_a_camera_that_comes_and_goes_is_away() -> None:
    """A second of footage in ten is no camera that works."""
    recorder = Recorder()
    for _ in range(30):
        recorder.camera("gate", state="failed", reason="stalled")
        recorder.go_on(6)
        recorder.camera("gate", state="recording", reason=None)
        recorder.go_on(4)
    assert recorder.told == [("stopped", False, "gate")]


def test_a_short_outage_is_no_alert() -> None:
    """It is a gap in the timeline, and enough of them a week apart are no alert either."""
    recorder = Recorder()
    for _ in range(20):
        recorder.camera("gate", state="failed", reason="stalled")
        recorder.go_on(6)
        recorder.camera("gate", state="recording", reason=None)
        recorder.go_on(30)
    assert recorder.told == []


def test_a_condition_is_told_at_once_and_when_it_is_over() -> None:
    """The recorder has waited its 20 s already."""
    recorder = Recorder()
    recorder.go_on(40)
    recorder.camera("gate", conditions={"frozen_picture": START_US, "camera_clock": START_US})
    assert recorder.go_on(2) == [("frozen_picture", False, "gate"), ("camera_clock", False, "gate")]
    recorder.camera("gate", conditions={"camera_clock": START_US})
    assert recorder.go_on(2) == [("frozen_picture", True, "gate")]


def test_a_recorder_that_was_restarted_does_not_end_what_it_has_not_seen_yet() -> None:
    """It needs 20 s to see that a picture is frozen; nothing is over before that, and nothing begins twice."""
    recorder = Recorder()
    recorder.camera("gate", conditions={"frozen_picture": START_US})
    assert recorder.go_on(2) == [("frozen_picture", False, "gate")]
    recorder.run = "bb"
    recorder.camera("gate", conditions={})
    assert recorder.go_on(24) == []
    recorder.camera("gate", conditions={"frozen_picture": START_US})
    assert recorder.go_on(20) == []
    recorder.camera("gate", conditions={})
    assert recorder.go_on(2) == [("frozen_picture", True, "gate")]


def test_a_silent_recorder_is_told_once_and_says_nothing_of_its_cameras() -> None:
    """A restart of a few seconds is not worth one."""
    recorder = Recorder()
    recorder.go_on(20)
    recorder.silent = True
    assert recorder.go_on(8) == []
    assert recorder.go_on(600) == [("recorder_silent", False, "")]
    recorder.silent = False
    assert recorder.go_on(60) == [("recorder_silent", True, "")]


def test_a_disabled_camera_is_none_to_worry_about() -> None:
    """What was told of it is over; so it is for one that was removed, once a new recorder knows nothing of it."""
    recorder = Recorder()
    recorder.camera("door", state="failed", reason="auth")
    recorder.camera("gate", state="failed", reason="auth")
    recorder.go_on(14)
    recorder.camera("gate", state="disabled")
    assert recorder.go_on(2) == [("stopped", True, "gate")]
    del recorder.streams["stream-door"]
    assert recorder.go_on(28) == []
    assert recorder.go_on(6) == [("stopped", True, "door")]
    assert recorder.watch.opened == {}


def test_a_restart_repeats_nothing(tmp_path: Path) -> None:
    """What is open is in a file; a camera that came back meanwhile is told of."""
    recorder = Recorder()
    recorder.camera("door", state="failed", reason="dns")
    recorder.camera("gate", state="failed", reason="dns")
    recorder.go_on(14)
    AlertFile(tmp_path / "alerts.json").write(recorder.watch.opened, {})
    kept = AlertFile(tmp_path / "alerts.json").read()
    after = Recorder(AlertWatch(stopped_after_us=10 * SECOND_US, opened=kept.opened))
    after.camera("door", state="failed", reason="dns")
    assert after.go_on(120) == [("stopped", True, "gate")]


def test_two_hundred_cameras_at_once_are_two_hundred_alerts() -> None:
    """Whoever sends them makes few messages of them; none is forgotten."""
    recorder = Recorder()
    for number in range(220):
        recorder.camera(f"camera-{number}", state="failed", reason="unreachable")
    assert len(recorder.go_on(14)) == 220


class Shipping:
    """`ship`, looked at every 2 s."""

    def __init__(self) -> None:
        self.watch = AlertWatch(stopped_after_us=10 * SECOND_US, spool_full_within_us=24 * HOUR_US)
        self.says: dict[str, Any] | None = {
            "error": None,
            "oldest_waiting_age_us": 0,
            "spools": [{"path": "/spool", "full_in_us": None, "warning": "", "free_bytes": 10**12}],
            "absent_spools": {},
        }

    def look(self) -> list[tuple[str, bool, str]]:
        """What was told, as kind, over, detail."""
        alerts = self.watch.look_at_ship(self.says, wall_us=START_US)
        return [(alert.kind, alert.over, alert.detail) for alert in alerts]

    def spool(self, full_in_h: float | None, warning: str = "") -> list[tuple[str, bool, str]]:
        """What is told when this is its forecast."""
        assert self.says is not None
        full_in_us = None if full_in_h is None else int(full_in_h * HOUR_US)
        spool = {"path": "/spool", "full_in_us": full_in_us, "warning": warning, "free_bytes": 10**12}
        self.says["spools"] = [spool]
        return self.look()


def test_a_store_that_takes_nothing_is_told_after_five_minutes() -> None:
    """With its words; and once it takes something again."""
    ship = Shipping()
    assert ship.says is not None
    ship.says.update(error="s3://footage cannot be reached", oldest_waiting_age_us=300 * SECOND_US)
    assert ship.look() == []
    ship.says.update(oldest_waiting_age_us=310 * SECOND_US)
    (begun,) = ship.watch.look_at_ship(ship.says, wall_us=START_US)
    assert begun.words == (
        "the object store takes nothing (s3://footage cannot be reached), since 2027-01-15T07:54:50.000000Z"
    )
    assert ship.look() == []
    ship.says.update(error=None)
    assert ship.look() == [("store_silent", True, "")]


def test_a_spool_that_fills_is_told_a_day_before() -> None:
    """Once, also if the forecast wavers; it is over when there are two days, and no step of the ladder."""
    ship = Shipping()
    assert ship.spool(25) == []
    words = "the disk of /spool is full in 23 h if it goes on like this (1.0 TB are free)"
    assert ship.spool(23) == [("spool_filling", False, words)]
    assert ship.spool(30) + ship.spool(23) + ship.spool(47) == []
    assert ship.spool(None, warning="the spool's disk is 71 % full") == []
    assert ship.spool(None) == [("spool_filling", True, "")]


def test_a_disk_that_is_nearly_full_is_told_without_a_forecast() -> None:
    """Whoever filled it."""
    assert Shipping().spool(None, warning="the spool's disk is 71 % full") == [
        ("spool_filling", False, "the spool's disk is 71 % full")
    ]


def test_a_shipper_that_is_silent_changes_nothing() -> None:
    """It may be starting: what was told stays told."""
    ship = Shipping()
    ship.spool(3)
    ship.says = None
    assert ship.look() == []
