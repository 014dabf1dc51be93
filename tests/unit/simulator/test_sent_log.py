"""What was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.sent_log import SentFrame, SentLog, read_sent_log

if TYPE_CHECKING:
    from pathlib import Path

ONE = SentFrame("cam/0001", 1_795_423_939_245_458, 44_885_598_597, 1_795_423_943_905_095, 0x00F62A80, sync=True)
TWO = ONE._replace(frame=ONE.frame + 1, sync=False)


def test_a_log_is_read_back_as_written(tmp_path: Path) -> None:
    """And a second simulator appends to it."""
    written = [ONE, TWO, ONE._replace(camera="Norra gården 1"), ONE._replace(sound=True, spoiled=True)]
    for sent in written:
        with SentLog(tmp_path / "sent") as log:
            log(sent)
    assert list(read_sent_log(tmp_path / "sent")) == written


def test_a_frame_is_in_the_file_at_once(tmp_path: Path) -> None:
    """A kill -9 of the simulator must not make frames look invented."""
    with SentLog(tmp_path / "sent") as log:
        log(ONE)
        assert list(read_sent_log(tmp_path / "sent")) == [ONE]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """It was cut off before its frame was sent."""
    path = tmp_path / "sent"
    with SentLog(path) as log:
        log(ONE)
        log(TWO)
    path.write_bytes(path.read_bytes()[:-3])
    assert list(read_sent_log(path)) == [ONE]
