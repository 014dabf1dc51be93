"""What a recorder declares, seen through the ledger its notes end in: each instant is footage or gap."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import GapReason, Mp4Error, SourceError, SpoolError
from media.rtp import RtpReceiver
from media.url import CameraUrl
from storage import spool as spool_module
from storage.coverage import Interval
from tests.builders_recorder import Nothing, Rig, Spool
from tests.waiting import eventually

if TYPE_CHECKING:
    from ingest.client import CameraSession
    from storage.gap_ledger import GapLedger


@pytest.fixture(name="rig")
def _rig() -> Rig:
    return Rig()


def _full() -> SpoolError:
    error = SpoolError("the disk is full")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error


def _undeclared(ledger: GapLedger, until_us: int) -> int:
    """Microseconds that are neither footage nor gap."""
    start_us = ledger.gaps[0].start_us
    before = sum((gap.end_us or until_us) - gap.start_us for gap in ledger.gaps)
    ledger.fill(start_us, until_us, GapReason.CRASH)
    return sum((gap.end_us or until_us) - gap.start_us for gap in ledger.gaps) - before


def test_a_fragment_that_could_not_be_written_is_a_gap_until_footage_begins_again(rig: Rig) -> None:
    """From the first lost fragment on; the file is given up, and the next sync sample starts another one."""
    start_us = rig.clock.wall_us()
    rig.feed(60)
    first = rig.spool.files[0]
    first.waiting[0](None)
    first.waiting[1](_full())
    assert first.abandoned
    rig.feed(75)
    assert len(rig.spool.files) == 2
    for done in rig.spool.files[1].waiting:
        done(None)
    footage = [Interval(start_us, start_us + 1_000_000), Interval(start_us + 3_000_000, start_us + 5_000_000)]
    gaps = rig.ledger(footage).gaps
    assert [(gap.start_us - start_us, gap.end_us and gap.end_us - start_us, gap.reason) for gap in gaps] == [
        (1_000_000, 3_000_000, GapReason.SPOOL_FULL),
    ]


def test_a_disk_that_stays_full_is_one_gap_and_few_words(rig: Rig) -> None:
    """It refuses a file after each sync sample for hours, and the room reserved for the journal is small."""
    start_us = rig.clock.wall_us()
    rig.feed(40)
    for done in rig.spool.files[0].waiting:
        done(None)
    rig.spool.files[0].waiting.clear()
    noted = len(rig.spool.notes)
    for _ in range(600):
        rig.feed(5)
        for file in rig.spool.files:
            refused, file.waiting = file.waiting, []
            for done in refused:
                done(_full())
    assert len(rig.spool.files) > 40
    assert len(rig.spool.notes) == noted + 1
    assert [rig.recorder.state()[name] for name in ("state", "reason")] == ["failed", "spool_full"]
    full_until_us = rig.clock.wall_us()
    rig.feed(60)
    for done in rig.spool.files[-1].waiting:
        done(None)
    (gap,) = rig.ledger([Interval(start_us, start_us + 1_000_000)]).gaps
    assert (gap.start_us, gap.reason) == (start_us + 1_000_000, GapReason.SPOOL_FULL)
    assert gap.end_us is not None
    assert abs(gap.end_us - full_until_us) <= 1_000_000
    assert rig.recorder.state()["state"] == "recording"


def test_a_camera_that_leaves_while_the_disk_recovers_keeps_its_gap(rig: Rig) -> None:
    """The first fragment that is durable again lies before it and does not end it."""
    start_us = rig.clock.wall_us()
    rig.feed(40)
    rig.spool.files[0].waiting[0](_full())
    rig.feed(45)
    rig.lose_session(GapReason.UNREACHABLE)
    left_us = rig.recorder._segmenter.end_us
    for done in rig.spool.files[1].waiting:
        done(None)
    ledger = rig.ledger([Interval(start_us + 2_000_000, left_us)])
    assert [(gap.start_us - start_us, gap.reason) for gap in ledger.gaps] == [
        (0, GapReason.SPOOL_FULL),
        (left_us - start_us, GapReason.UNREACHABLE),
    ]
    assert ledger.open_gap is not None


def test_a_loss_that_is_learnt_late_does_not_hide_the_present_gap(rig: Rig) -> None:
    """The camera went away while its last fragments waited for a disk that then refuses them: two reasons, no hole."""
    start_us = rig.clock.wall_us()
    rig.feed(60)
    rig.lose_session(GapReason.UNREACHABLE)
    end_us = rig.recorder._segmenter.end_us
    first = rig.spool.files[0]
    rig.clock.advance(5_000_000)
    rig.frame = 500
    rig.recorder._segmenter.start_session(segment_us=60_000_000)
    rig.feed(3)  # the next session has begun its file, and its first fragment is not closed yet
    for done in first.waiting[:1]:
        done(None)
    for done in first.waiting[1:-1]:
        done(_full())
    rig.feed(30)
    footage = [Interval(start_us, start_us + 1_000_000)]
    ledger = rig.ledger(footage)
    reasons = [(gap.start_us - start_us, gap.reason) for gap in ledger.gaps]
    assert reasons == [(1_000_000, GapReason.SPOOL_FULL), (end_us - start_us, GapReason.UNREACHABLE)]
    assert _undeclared(ledger, start_us + 7_000_000) == 0


def test_a_reason_learnt_at_once_replaces_the_one_assumed(rig: Rig) -> None:
    """A camera that refuses right after the start has one gap, with that reason."""
    rig.clock.advance(300_000)
    rig.lose_session(GapReason.REFUSED)
    (gap,) = rig.ledger([]).gaps
    assert gap.reason is GapReason.REFUSED


def test_a_disk_that_does_not_keep_up_costs_declared_time_not_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound nothing more is queued until the disk has caught up, and the time is a gap."""
    monkeypatch.setattr(spool_module, "PENDING_STREAM_BYTES", 2_000)
    start_us = rig.clock.wall_us()
    rig.feed(200)
    assert rig.recorder.state()["pending_bytes"] < 8_000
    assert [rig.recorder.state()[name] for name in ("state", "reason")] == ["failed", "disk_error"]
    (stalled,) = rig.spool.files
    for done in stalled.waiting:
        done(None)
    rig.recorder.tick(rig.clock.wall_us(), rig.clock.boot_us())
    rig.feed(60)
    assert len(rig.spool.files) == 2
    ledger = rig.ledger([])
    assert [gap.reason for gap in ledger.gaps if gap.start_us > start_us][-1] is GapReason.DISK_ERROR


def test_a_disk_that_refuses_what_it_kept_waiting_leaves_no_hole(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """First it does not keep up, then it fails: what waited is lost as well, before the gap that was known, and why."""
    monkeypatch.setattr(spool_module, "PENDING_STREAM_BYTES", 2_000)
    start_us = rig.clock.wall_us()
    rig.feed(200)
    assert rig.recorder.state()["reason"] == "disk_error"
    (stalled,) = rig.spool.files
    for done in stalled.waiting:
        done(SpoolError("the disk failed"))
    ledger = rig.ledger([])
    assert [(gap.start_us, gap.end_us) for gap in ledger.gaps if gap.reason is GapReason.DISK_ERROR] == [
        (start_us, None)
    ]


def test_all_streams_together_wait_with_a_bounded_amount() -> None:
    """220 streams and a disk that hangs: the busiest stops first, each says so, and all go on when the disk does.

    Without a bound for all they would hold 300 MB here: the bound of each stream is 16 MiB.
    """
    spool = Spool(total_bytes=64 << 20)
    rigs = [Rig(spool=spool, stream=UUID(int=100 + number), name=f"cam {number}") for number in range(220)]
    blocked_at: dict[int, int] = {}
    most_bytes = 0
    for turn in range(40):  # seconds
        for number, rig in enumerate(rigs):
            rig.feed(25, 100_000 if number == 0 else 1000)
            if rig.recorder.state()["reason"] == "disk_error":
                blocked_at.setdefault(number, turn)
        most_bytes = max(most_bytes, sum(len(file.content) for file in spool.files))
        assert spool.kept_bytes <= 64 << 20, "open fragments, and pictures that are put together, among them"
    assert most_bytes > 40 << 20, "what is allowed is used"
    assert spool.pending_bytes <= most_bytes
    assert set(blocked_at) == set(range(220)), "a stream that waits for the disk has a gap that says so"
    assert blocked_at[0] < min(blocked_at[number] for number in range(1, 220)), "the one with the most stops first"
    for file in spool.files:
        for done in file.waiting:
            done(None)
    assert spool.pending_bytes == 0
    for rig in rigs:
        rig.tick()
        assert spool.kept_bytes == 0 or rig is not rigs[0], "nothing waits, nothing is open"
        rig.feed(50, 1000)
        assert rig.recorder.state()["state"] == "recording"


def test_a_defect_met_while_a_span_ends_stays_with_its_camera(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It once ended the recording of all cameras. What was not written is a gap from its first instant on."""
    start_us = rig.clock.wall_us()
    rig.feed(30)

    def refuse(**_fragment: object) -> None:
        raise Mp4Error("a number is out of range")

    assert rig.recorder._segmenter._writer is not None
    monkeypatch.setattr(rig.recorder._segmenter._writer, "fragment", refuse)
    rig.lose_session(GapReason.PROTOCOL)
    rig.clock.advance(2_000_000)
    rig.recorder.stop()
    gaps = rig.ledger([Interval(start_us, start_us + 1_000_000)]).gaps
    assert [(gap.start_us - start_us, gap.end_us and gap.end_us - start_us, gap.reason) for gap in gaps] == [
        (1_000_000, 3_200_000, GapReason.PROTOCOL),
        (3_200_000, None, GapReason.SHUTDOWN),
    ]


def test_a_file_that_came_to_hold_nothing_is_given_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealed file without a fragment would be a fault of the spool for ever."""
    rig.feed(2)
    monkeypatch.setattr(rig.recorder._segmenter._writer, "fragment", None)
    rig.lose_session(GapReason.PROTOCOL)
    (only,) = rig.spool.files
    assert only.abandoned
    assert not only.waiting


def test_a_change_of_epoch_leaves_no_gap_since_1970(rig: Rig) -> None:
    """The new segmenter knows no footage; the gap begins where that of the old one ended."""
    start_us = rig.clock.wall_us()
    rig.feed(30)
    rig.recorder.assign(replace(rig.recorder._assignment, epoch=2))
    rig.recorder._stop_recording(GapReason.NO_SYNC, "the camera's settings changed")
    (gap,) = rig.ledger([Interval(start_us, start_us + 1_200_000)]).gaps
    assert gap.start_us == start_us + 1_200_000


def test_a_reason_that_took_an_attempt_to_learn_counts_from_its_beginning(rig: Rig) -> None:
    """The connection was lost, the next session said nothing for 8 s: that is not 8 s of a lost connection."""
    rig.feed(50)
    rig.lose_session(GapReason.UNREACHABLE)
    end_us = rig.recorder._segmenter.end_us
    rig.clock.advance(3_000_000)
    rig.recorder._attempt_us = rig.clock.wall_us()
    rig.clock.advance(8_000_000)
    rig.lose_session(GapReason.NO_MEDIA)
    gaps = rig.ledger([Interval(end_us - 2_000_000, end_us)]).gaps
    assert [(gap.start_us - end_us, gap.reason) for gap in gaps] == [
        (0, GapReason.UNREACHABLE),
        (3_000_000, GapReason.NO_MEDIA),
    ]


# --- beside a session


@pytest.fixture(name="playing")
async def _playing(rig: Rig) -> CameraSession:
    """A session of the recorder, in the state in which it plays."""
    return rig.watch(RtpReceiver(96, Nothing()))


@pytest.mark.parametrize("step_us", [-3_600_000_000, 3_600_000_000])
async def test_a_step_of_the_clock_is_no_silence_of_the_camera(rig: Rig, playing: CameraSession, step_us: int) -> None:
    """Neither does it end every session of the host, nor does it hide that a camera has fallen silent."""
    rig.clock.step(step_us)
    rig.recorder.clock_stepped(step_us)
    rig.tick()
    assert not playing.session.failure.done()
    rig.clock.advance(8_500_000)
    rig.tick()
    assert playing.session.failure.result().reason is GapReason.NO_MEDIA


async def test_a_session_that_has_just_failed_is_not_kept_alive(rig: Rig, playing: CameraSession) -> None:
    """Its recorder has not come to it yet; the request that cannot be sent any more once ended all recorders."""
    rig.clock.advance(31_000_000)
    playing.session.last_media_us = rig.clock.boot_us()
    playing.session.fail(GapReason.UNREACHABLE, "gone")
    playing.check(rig.clock.boot_us())
    rig.tick()
    assert playing.session.failure.result().reason is GapReason.UNREACHABLE


async def test_a_defect_met_by_the_clock_ends_that_session_only(
    rig: Rig, playing: CameraSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All recorders are looked at by one task."""
    monkeypatch.setattr(rig.recorder._watch, "check", None)
    rig.tick()
    assert playing.session.failure.result().reason is GapReason.PROTOCOL


async def test_packets_without_a_picture_are_no_recording(rig: Rig, playing: CameraSession) -> None:
    """Of another payload type, say, or nothing but parameter sets: the session ends, and the gap can begin."""
    rig.feed(30)
    for _ in range(60):
        playing.session.last_media_us = rig.clock.boot_us()
        rig.tick()
        rig.clock.advance(250_000)
    assert not playing.session.failure.done()
    for _ in range(60):
        playing.session.last_media_us = rig.clock.boot_us()
        rig.tick()
        rig.clock.advance(250_000)
    assert playing.session.failure.result().reason is GapReason.NO_MEDIA


async def test_a_camera_without_sync_samples_is_asked_for_one(rig: Rig, playing: CameraSession) -> None:
    """When a segment must end and no other can begin, a new session begins with a sync sample."""
    rig.gop = 25 * 3600
    rig.feed(25 * 560)
    assert not playing.session.failure.done()
    rig.feed(25 * 20)
    assert playing.session.failure.result().reason is GapReason.NO_SYNC
    assert rig.spool.notes[-1]["at_us"] == rig.recorder._segmenter.end_us


async def test_a_flood_of_packets_that_nobody_asked_for_is_a_flood(rig: Rig, playing: CameraSession) -> None:
    """Each takes its time from the other cameras, whatever is in it."""
    rig.clock.advance(2_100_000)
    playing.session.last_media_us = rig.clock.boot_us()
    playing.session.stray_packets = 100_000
    rig.tick()
    assert playing.session.failure.result().reason is GapReason.FLOOD


# --- assignments


async def test_a_new_name_or_bitrate_costs_no_frame(rig: Rig, playing: CameraSession) -> None:
    """Neither is anything the camera notices; another address is."""
    rig.feed(30)
    rig.recorder._changed.clear()
    rig.recorder.assign(replace(rig.assignment, name="renamed", bitrate_bps=8_000_000, segment_us=10_000_000))
    assert not rig.recorder._changed.is_set()
    rig.feed(25 * 25)
    assert rig.recorder.state()["name"] == "renamed"
    assert len(rig.spool.files) >= 3
    assert [note["kind"] for note in rig.spool.notes] == ["stream_start", "span_start", "gap_close"]
    rig.recorder.assign(replace(rig.assignment, networks=("10.0.0.0/8",)))
    assert rig.recorder._changed.is_set()


async def test_a_url_that_became_unreadable_does_not_stop_a_recording(rig: Rig, playing: CameraSession) -> None:
    """What is known to work is better than nothing; the next readable one counts."""
    rig.feed(30)
    rig.recorder._changed.clear()
    rig.recorder.assign(replace(rig.assignment, url=None, problem="damaged"))
    assert not rig.recorder._changed.is_set()
    assert rig.recorder._assignment.url == rig.assignment.url


async def test_a_camera_without_a_readable_url_fails_with_its_name_and_reason() -> None:
    """And is recorded as soon as there is one."""
    rig = Rig(url=None, problem="the camera's URL cannot be opened: damaged")
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        await rig.recorder._run_once()
    rig.recorder._failed(caught.value)
    state = rig.recorder.state()
    assert [state[name] for name in ("name", "state", "reason")] == ["cam", "failed", "unsupported"]
    rig.recorder.assign(replace(rig.assignment, url=CameraUrl.parse("rtsp://10.0.0.1/"), problem=""))
    assert rig.recorder._changed.is_set()


async def test_a_camera_that_is_enabled_again_is_not_shown_as_disabled(rig: Rig) -> None:
    """Nor as recording, before it is."""
    rig.recorder.assign(None)
    task = asyncio.ensure_future(rig.recorder.run())
    await eventually("it is disabled", lambda: rig.recorder.state()["state"] == "disabled")
    rig.recorder.assign(replace(rig.assignment, url=None, problem="none"))
    states = []
    enter = rig.recorder._enter
    rig.recorder._enter = lambda *state: (states.append(state[0]), enter(*state))  # type: ignore[method-assign,assignment]
    await eventually("it was tried", lambda: rig.recorder.state()["state"] == "failed")
    assert states[0] == "connecting"
    task.cancel()
    await asyncio.wait([task])
