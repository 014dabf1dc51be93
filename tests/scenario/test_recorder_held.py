"""A recording process that the host stops for a while: SIGSTOP, a debugger, a virtual machine that moves house."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from server.status_socket import read_status
from simulator.options import SimulatorOptions
from simulator.simulator import Simulator
from storage.layout import Layout
from tests.product import hulta
from tests.scenario.test_recording import Recording, stream_of
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.sent_log import SentFrame

pytestmark = pytest.mark.scenario

HELD_FRAMES = 260
"""Over 10 s: longer than any camera may be silent."""


async def test_a_process_that_was_stopped_reads_what_waited_for_it(tmp_path: Path) -> None:
    """No camera is blamed, no session ends, and no frame is missing."""
    sent: list[SentFrame] = []
    config = tmp_path / "hulta.yaml"
    config.write_text("spool: {accept_loss: true}\n")
    record = Recording(tmp_path)
    async with Simulator(SimulatorOptions(port=0), sent=sent.append) as cameras:
        (url,) = cameras.urls
        record.assign(url)
        command = hulta("record", "--config", config, "--data", tmp_path)
        process = await asyncio.create_subprocess_exec(*map(str, command), stderr=subprocess.DEVNULL)
        try:
            await _recorded(tmp_path, url, 50)
            process.send_signal(signal.SIGSTOP)
            before = len(sent)
            await eventually("it was stopped for a while", lambda: len(sent) > before + HELD_FRAMES)
            process.send_signal(signal.SIGCONT)
            state = await _recorded(tmp_path, url, before + HELD_FRAMES + 50)
            assert state["sessions"] == 1
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 15)
    stored = record.frames(url)
    expected = [(frame.frame, frame.crc32, True) for frame in sent if stored[0][0] <= frame.frame <= stored[-1][0]]
    assert stored == expected
    assert [note["reason"] for note in record.notes(url) if note["kind"] == "gap_open"] == ["shutdown"]


async def _recorded(data: Path, url: str, frames: int) -> dict[str, Any]:
    """Wait until the process has so many frames of the stream; returns what it says of it."""
    async with asyncio.timeout(30):
        while True:
            status = await read_status(Layout(data).socket("record"))
            stream: dict[str, Any] = ((status or {}).get("streams") or {}).get(str(stream_of(url)), {})
            if stream.get("frames", 0) >= frames and stream.get("durable"):
                return stream
            await asyncio.sleep(0.05)
