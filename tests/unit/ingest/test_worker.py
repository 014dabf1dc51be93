"""The recording process's looks at its recorders."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from ingest.assignments import Assignment, write_assignments
from ingest.worker import TICK_S, Worker
from media.rtp import RtpReceiver
from media.url import CameraUrl
from storage.clock import FakeClock
from storage.layout import Layout
from storage.secrets import SecretBox
from tests.builders_recorder import Line, Nothing, Rig

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_look_that_comes_late_is_no_silence_of_the_cameras(tmp_path: Path) -> None:
    """The process was stopped for 20 s while the look was due already: it comes before what waits in the sockets."""
    clock = FakeClock()
    worker = Worker(data=Layout(tmp_path), host="test", clock=clock, box=SecretBox.at(Layout(tmp_path).key))
    rig = Rig()
    rig.clock = clock
    playing = rig.watch(RtpReceiver(96, Nothing()))
    assert isinstance(playing.session._transport, Line)
    worker._recorders[UUID(int=3)] = rig.recorder
    for _ in range(4):
        clock.advance(round(TICK_S * 1_000_000))
        worker._tick()
    clock.advance(20_000_000)
    worker._tick()
    assert not playing.session.failure.done()
    for _ in range(33):
        clock.advance(round(TICK_S * 1_000_000))
        worker._tick()
    assert playing.session.failure.done()


async def test_a_missing_key_is_no_trouble_of_the_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is taken for one that cannot be recorded; when the key is back, they are followed."""
    data = Layout(tmp_path)
    box = SecretBox.at(data.key)
    url = CameraUrl.parse("rtsp://operator:hunter2@10.17.0.11/")
    assignment = Assignment(stream=UUID(int=1), camera=UUID(int=2), name="gate", epoch=1, url=url)
    write_assignments(data.assignments, [assignment], box)
    data.key.rename(tmp_path / "elsewhere")
    worker = Worker(data=Layout(tmp_path), host="test", clock=FakeClock(), box=SecretBox.at(data.key))
    followed: list[dict[UUID, Assignment]] = []
    monkeypatch.setattr(worker, "_assign", lambda wanted, *_: followed.append(wanted))
    for _ in range(2):
        worker._follow(None)  # type: ignore[arg-type]
        assert "is missing" in worker.state()["error"]
    assert followed == []
    (tmp_path / "elsewhere").rename(data.key)
    worker._follow(None)  # type: ignore[arg-type]
    assert followed == [{assignment.stream: assignment}]
    assert worker.state()["error"] is None
