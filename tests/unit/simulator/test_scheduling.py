"""A simulator takes no more of the machine than its share, whatever libraries it uses."""

from __future__ import annotations

import os
import threading

import pytest

from simulator.codecs import CODECS
from simulator.encoder import Setting
from simulator.picture import HEIGHT, WIDTH, Picture
from simulator.scheduling import policies, scheduled_as_before

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make threads real-time ones")


@NEEDS_ROOT
@pytest.mark.parametrize("codec", CODECS)
def test_encoders_leave_every_thread_as_it_was(codec: str) -> None:
    """SVT-AV1 would make its own threads and the one that opens it real-time ones."""
    encoder = CODECS[codec].encoder(Setting(WIDTH, HEIGHT, 25, 1_000_000))
    encoder.encode(Picture("share").render(0), sync=True)
    assert set(policies().values()) == {os.SCHED_OTHER}


@NEEDS_ROOT
def test_what_was_scheduled_otherwise_before_stays_so() -> None:
    """The block undoes what was done in it, by whom ever, and nothing else."""
    end = threading.Event()
    batch, caller = (threading.Thread(target=end.wait) for _ in range(2))
    batch.start()
    os.sched_setscheduler(batch.native_id or 0, os.SCHED_BATCH, os.sched_param(0))
    try:
        with scheduled_as_before():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            caller.start()
        now = policies()
        assert {now[thread.native_id or 0] for thread in (threading.main_thread(), caller)} == {os.SCHED_OTHER}
        assert now[batch.native_id or 0] == os.SCHED_BATCH
    finally:
        end.set()
        batch.join()
        caller.join()
