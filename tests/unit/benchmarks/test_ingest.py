"""What the turns of the ingest benchmark come to, and that its recorders record what they are compared by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import children, ingest, ingest_report, measuring, orders, syscalls
from benchmarks.ingest_report import Turn, Turns
from benchmarks.ingest_ways import FFMPEG, FLOOR, HULTA, PYAV, WAYS, Recording
from benchmarks.raw_copy import mean_packet_bytes
from benchmarks.spread import Spread

CAMERAS = 10
FULL_RATE = 500_000.0  # bytes a second of a camera of 4 Mbit/s


def turn(way: str, cpu_percent: float, *, number: int = 0, stored: float = 1.0, **other: object) -> Turn:
    """A turn of ten cameras in which all went well, unless `other` says otherwise."""
    facts: dict[str, object] = {
        "arrived": CAMERAS,
        "arrival_s": 2.0,
        "memory_bytes": CAMERAS * 1_000_000,
        "syscalls_per_s": CAMERAS * 50.0,
        "uncounted": "",
        "packet_bytes": 1250.0 if way == FLOOR else 0.0,
        "cpu_percent": (cpu_percent, cpu_percent),
        "source_cpu_percent": (5.0,),
        "sent_bytes_per_s": CAMERAS * FULL_RATE * 1.01,
        "stored_bytes_per_s": CAMERAS * FULL_RATE * stored,
    }
    return Turn(way=way, cameras=CAMERAS, round=number, **{**facts, **other})  # type: ignore[arg-type]


def all_ways(**of_hulta: object) -> list[Turn]:
    """One round of all."""
    cpu = {FLOOR: 1.0, HULTA: 3.0, PYAV: 6.0, FFMPEG: 5.0}
    return [turn(way, cpu[way], **(of_hulta if way == HULTA else {})) for way in WAYS]  # type: ignore[arg-type]


def test_ways_are_compared_within_their_round() -> None:
    """A round in which the machine was slow makes both slow, and one that is missing compares nothing."""
    turns = Turns(
        [
            *(turn(HULTA, 3.0, number=0), turn(FFMPEG, 5.0, number=0)),
            *(turn(HULTA, 6.0, number=1), turn(FFMPEG, 12.0, number=1)),
            turn(HULTA, 6.0, number=2),
        ]
    )
    ratio = turns.ratio(HULTA, FFMPEG, 10)
    assert ratio is not None
    assert ratio.samples == (0.6, 0.5)
    assert turns.ratio(HULTA, PYAV, 10) is None


def test_a_budget_is_missed_by_the_figures() -> None:
    """0.6 x of ffmpeg is over 0.45 x, 3 x of the floor is within 3.5 x; both stand there."""
    report = ingest_report.report(all_ways(), [], window_s=2)
    assert [(each.what, each.met) for each in report.budgets] == [
        ("CPU of ffmpeg, 10 cameras", False),
        ("CPU of the raw copy, 10 cameras", True),
        ("memory per camera, 10 cameras", True),
    ]
    assert report.notes == []


def test_system_calls_are_told_by_packet() -> None:
    """505 000 bytes a second in packets of 1250 are 404; 50 calls a second are an eighth of one each."""
    row = ingest_report.report(all_ways(), [], window_s=2).tables[0].rows[1]
    assert (row[1], row[6]) == (HULTA, Spread.of([50 / 404]))


def test_a_way_that_does_not_keep_up_is_told_by_what_it_stored() -> None:
    """Its CPU alone would look cheap."""
    report = ingest_report.report(all_ways(stored=0.5, arrived=7), [], window_s=2)
    (note,) = report.notes
    assert note.startswith("hulta record, 10 cameras, round 1, did not keep up on this machine: pictures of 7 cameras")
    assert "101 % of the bytes taken, 50 % stored" in note


def test_a_way_that_takes_less_than_is_sent_is_told_though_all_is_stored() -> None:
    """Bytes that wait in the cameras' buffers are not recorded."""
    report = ingest_report.report(all_ways(sent_bytes_per_s=CAMERAS * FULL_RATE * 0.9), [], window_s=2)
    assert [note[:12] for note in report.notes] == ["hulta record"]


def test_what_was_not_measured_is_said() -> None:
    """A way that failed leaves a dash and a note, not a gap in silence."""
    turns = [each for each in all_ways(syscalls_per_s=None, uncounted="no perf") if each.way != FFMPEG]
    report = ingest_report.report(turns, ["ffmpeg: process 7 has ended"], window_s=2)
    assert report.notes == ["Not measured: ffmpeg: process 7 has ended.", "System calls were not counted: no perf."]
    assert report.tables[0].rows[3][2] is None
    assert report.tables[0].rows[1][5] is None
    assert [each.what for each in report.budgets if "ffmpeg" in each.what] == []


def test_no_way_is_always_the_first() -> None:
    """What the first of a round finds, an empty page cache for one, is not always the same one's."""
    ways = list(WAYS)
    assert [ingest.rotated(ways, number)[0] for number in range(5)] == [*ways, ways[0]]
    assert all(sorted(ingest.rotated(ways, number)) == sorted(ways) for number in range(5))


def test_cameras_have_arrived_when_pictures_are_stored(tmp_path: Path) -> None:
    """An init section, a handshake or a journal is no picture; several segments are one camera."""
    for camera, sizes in {"a": [30_000, 30_000], "b": [1_000], "c": [25_000]}.items():
        (tmp_path / camera).mkdir()
        for number, size in enumerate(sizes):
            (tmp_path / camera / f"{number}.mp4").write_bytes(bytes(size))
    (tmp_path / "journal").write_bytes(bytes(100_000))
    recording = Recording(pids=[], stored=tmp_path)
    assert recording.arrived() == 2
    assert measuring.stored_bytes(tmp_path) == 186_000


def test_files_that_are_renamed_meanwhile_are_neither_missed_nor_counted_twice(tmp_path: Path) -> None:
    """A recorder seals segments while it is measured: what is stored never shrinks, and no listing fails."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0").write_bytes(bytes(50_000))
    program = (
        "import os, sys\nprint(flush=True)\n"
        "while True:\n    os.rename('0', '1')\n    [None for _ in range(2000)]\n    os.rename('1', '0')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path / "a", stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        recorder.stdout.readline()
        found = {measuring.stored_bytes(tmp_path) for _ in range(2000)}
        recorder.kill()
    assert found == {50_000}


def test_packets_are_counted_by_their_framing(tmp_path: Path) -> None:
    """After the answer to PLAY come frames; one that was cut by the end is not counted short."""
    answer = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n"
    frames = b"".join(b"$\0" + size.to_bytes(2, "big") + bytes(size) for size in (100, 200, 300))
    (tmp_path / "stream").write_bytes(answer + frames)
    assert mean_packet_bytes(tmp_path / "stream") == 204


def test_a_recorder_waits_for_its_orders(tmp_path: Path) -> None:
    """It says that it is ready, and reads what it is to do once that is all there."""
    program = "import sys, pathlib, benchmarks.orders as o; print(o.await_orders(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:
        measuring.until((tmp_path / "ready").exists, what="ready", within_s=20)
        orders.give_orders(tmp_path, [orders.Order(tmp_path / "1", "rtsp://127.0.0.1/1")])
        assert recorder.stdout is not None
        assert recorder.stdout.read() == f"[Order(folder={tmp_path / '1'!r}, url='rtsp://127.0.0.1/1')]\n"


@pytest.mark.parametrize("way", WAYS)
def test_every_way_stores_what_the_cameras_send(way: str, tmp_path: Path) -> None:
    """Pictures of both cameras come to be below the folder, and nothing runs afterwards."""
    with children.simulated(2, bitrate="1M") as source:
        folder = tmp_path / "turn"
        folder.mkdir()
        with WAYS[way](source.urls, folder) as recording:
            measuring.until(lambda: recording.arrived() == 2, what="pictures of both", within_s=40)
            pids = recording.pids
            assert measuring.pss_bytes(pids) > recording.empty_pss_bytes
    assert measuring.alive(pids) == []


@pytest.fixture
def perf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have `perf` be a shell script."""

    def pretend(text: str) -> None:
        (tmp_path / "perf").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "perf").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return pretend


def test_counted_calls_are_told_by_the_second(perf: Callable[[str], None]) -> None:
    """Whatever else perf says."""
    perf("echo '# started' >&2; echo '1500,,raw_syscalls:sys_enter,500,100.00,,' >&2")
    assert syscalls.per_second([1, 2], 0.5) == 3000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo 'Error: No permission to enable raw_syscalls:sys_enter event.' >&2; exit 255", "No permission"),
        ("echo '<not supported>,,raw_syscalls:sys_enter,0,100.00,,' >&2", "<not supported>"),
    ],
)
def test_calls_that_cannot_be_counted_say_why(perf: Callable[[str], None], text: str, why: str) -> None:
    """No permission, no tracepoint: never a zero."""
    perf(text)
    with pytest.raises(syscalls.Uncountable, match=why):
        syscalls.per_second([1], 0.1)


def test_calls_are_not_counted_without_perf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And the package that has it is named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(syscalls.Uncountable, match="linux-perf"):
        syscalls.per_second([1], 0.1)
