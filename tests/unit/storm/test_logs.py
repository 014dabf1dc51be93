"""The simulator's logs, as the storm reads them: camera by camera, whole lines only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fault_log import FaultLog
from simulator.faults import make_fault
from simulator.sent_log import SentFrame, SentLog
from simulator.steps import Event, Phase
from storm.facts import FaultWindow, Sent
from storm.logs import first_traceback, read_faults, read_sent, read_sound_sent, split_sent_log

if TYPE_CHECKING:
    from pathlib import Path

FRAME = SentFrame("gate 1", 3, 100, 1_000_000, 7, sync=True)


def test_the_log_of_sent_frames_is_split_by_camera(tmp_path: Path) -> None:
    """As the simulator writes it: names are encoded, spoiled frames marked, a torn last line did not happen."""
    path = tmp_path / "sent.log"
    with SentLog(path) as log:
        for number in range(2500):
            log(FRAME._replace(frame=number))
        log(FRAME._replace(camera="yard/2", sync=False, spoiled=True))
        log(FRAME._replace(camera="yard/2", frame=9, sound=True))
    with path.open("ab") as file:
        file.write(b"yard/2 3 101 10")
    parts = split_sent_log(path, tmp_path / "sent")
    assert {*parts} == {"gate 1", "yard/2"}
    assert [each.frame for each in read_sent(parts["gate 1"])] == [*range(2500)]
    assert read_sent(parts["yard/2"]) == [Sent(100, 1_000_000, 7, 3, whole=False, sync=False)]
    assert read_sound_sent(parts["yard/2"]) == [Sent(9, 1_000_000, 7, 3, sync=False)]


def test_the_log_of_faults_becomes_windows(tmp_path: Path) -> None:
    """Lasting ones from begin to end, instants where they happened, an open one until the end of the storm."""
    drift, cut, off = make_fault("drift", {"ppm": 4000}), make_fault("cut", {}), make_fault("off", {})
    path = tmp_path / "faults.log"
    with FaultLog(path) as log:
        log(10, Event(0, Phase.BEGIN, 1, drift, ("a", "b")))
        log(20, Event(0, Phase.ONCE, 2, cut, ("a",)))
        log(30, Event(0, Phase.END, 1, drift, ("a", "b")))
        log(40, Event(0, Phase.BEGIN, 3, off, ("b",)))
    found = read_faults(path, until_us=90, numbers=[4, 5, 9])
    assert found == {
        "a": [FaultWindow("drift", 10, 30, 4, (("ppm", 4000),)), FaultWindow("cut", 20, 20, 5)],
        "b": [FaultWindow("drift", 10, 30, 4, (("ppm", 4000),)), FaultWindow("off", 40, 90, 9)],
    }
    assert found["a"][0].parameter("ppm") == 4000


def test_the_first_traceback_of_a_long_log(tmp_path: Path) -> None:
    """From its line on, and no more than a sentence of the verdict bears."""
    path = tmp_path / "hulta.log"
    path.write_text("started\n" * 1000)
    assert first_traceback(path) == ""
    path.write_text("started\n{} Traceback (most recent call last):\n  one\nValueError: x\n" + "on\n" * 9999)
    assert first_traceback(path).startswith("Traceback (most recent call last):\n  one\nValueError: x\n")
    assert len(first_traceback(path)) <= 600
