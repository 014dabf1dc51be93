"""What was wrong and when."""

from __future__ import annotations

from pathlib import Path

from simulator.fault_log import FaultLog, FaultRecord, read_fault_log
from simulator.faults import make_fault
from simulator.script import Event, Phase

JUMP = make_fault("timestamp-jump", {"by": "1.5s"})
EVENT = Event(5, Phase.ONCE, 3, JUMP, ("Hässle-a", "b"))


def test_a_log_is_read_back_as_written(tmp_path: Path) -> None:
    """And a second simulator appends to it."""
    for at_us in (1_795_423_939_245_458, 1_795_423_939_245_459):
        with FaultLog(tmp_path / "faults") as log:
            log(at_us, EVENT)
    assert list(read_fault_log(tmp_path / "faults")) == [
        FaultRecord(1_795_423_939_245_458, JUMP, Phase.ONCE, 3, ("Hässle-a", "b")),
        FaultRecord(1_795_423_939_245_459, JUMP, Phase.ONCE, 3, ("Hässle-a", "b")),
    ]


def test_a_line_says_what_a_script_says(tmp_path: Path) -> None:
    """So that people can read it, too; and it is there before the effect."""
    with FaultLog(tmp_path / "faults") as log:
        log(7, EVENT)
        assert (tmp_path / "faults").read_text() == (
            '{"at_us": 7, "fault": "timestamp-jump", "phase": "once", "step": 3, "cameras": ["Hässle-a", "b"], '
            '"parameters": {"by": "1500ms"}}\n'
        )


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """Its fault did not act."""
    path = tmp_path / "faults"
    with FaultLog(path) as log:
        log(1, EVENT)
        log(2, EVENT)
    path.write_bytes(path.read_bytes()[:-3])
    assert [record.at_us for record in read_fault_log(path)] == [1]
