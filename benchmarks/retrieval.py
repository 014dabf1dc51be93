"""What an operator waits for, through the real server: first bytes, whole files, HLS, pictures; alone and in a crowd.

    python -m benchmarks.retrieval [--quick]

`hulta serve` over the largest catalog of `make bench-data` that is there. Then 50 people watch and 10 exports run
while 20 simulated cameras are recorded into the same catalog, which must feel nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks import children, city, live_cameras, viewers
from benchmarks.city import Archive
from benchmarks.city_guest import borrowed, forget_pages
from benchmarks.city_rows import DAY_US, END_US, MINUTE_US
from benchmarks.http_reader import UnexpectedAnswer, connected
from benchmarks.live_cameras import Felt, Recorder, Verdict
from benchmarks.measuring import cpu_seconds, pss_bytes
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, percentile
from benchmarks.viewers import Places, Seen, Span, target
from playback.timerange import format_instant

CAMERAS, VIEWERS, EXPORTS = 20, 50, 10
ROUNDS, QUICK_ROUNDS = 9, 3
CALM_S, CROWD_S = 20.0, 40.0
QUICK_S = 6.0
READ_BYTES = 1_000_000_000  # of the 24 h file, to see how fast it comes and what memory it takes
QUICK_READ_BYTES = 200_000_000
START_S, LOOK_S, MEMORY_LOOK_S = 40.0, 0.05, 0.2
HOUR_US, TEN_US = 60 * MINUTE_US, 10 * MINUTE_US
SHARES = (50, 95, 99, 100)
MOST_TOLD = 10
FIRST_DAY, FIRST_HLS = "first byte of a 24 h mp4", "playlist of 10 min, init section, first fragment"


class Wish(NamedTuple):
    """A camera, and an instant from which an hour was recorded without a break."""

    camera: str
    from_us: int


Ask = Callable[[int, Wish], Awaitable[float]]
"""Asks a server on a port for something of a wish; milliseconds to what the question is about."""


def _first_byte(what: str, length_us: int, *, most: int = 1) -> Ask:
    async def ask(port: int, wish: Wish) -> float:
        start_us = END_US - DAY_US if length_us == DAY_US else wish.from_us
        async with connected(port) as connection:
            answer = await connection.get(target(wish.camera, what, start_us, start_us + length_us), most=most)
        return 1000 * answer.first_byte_s

    return ask


def _whole(what: str, length_us: int) -> Ask:
    async def ask(port: int, wish: Wish) -> float:
        start_us = END_US - length_us if length_us >= DAY_US else wish.from_us
        async with connected(port) as connection:
            return 1000 * (await connection.get(target(wish.camera, what, start_us, start_us + length_us))).seconds

    return ask


async def _first_fragment(port: int, wish: Wish) -> float:
    async with connected(port) as connection:
        return (
            await viewers.seek(connection, target(wish.camera, "playlist.m3u8", wish.from_us, wish.from_us + TEN_US))
        )[1]


async def _frame(port: int, wish: Wish) -> float:
    query = urlencode({"at": format_instant(wish.from_us + 1_234_567)})
    async with connected(port) as connection:
        return 1000 * (await connection.get(f"/api/v1/cameras/{wish.camera}/frame.jpg?{query}")).seconds


QUESTIONS: dict[str, Ask] = {
    "timeline of a day": _whole("timeline", DAY_US),
    "calendar of 31 days": _whole("calendar", 31 * DAY_US),
    "HLS playlist of an hour": _whole("playlist.m3u8", HOUR_US),
    "HLS playlist of a day": _whole("playlist.m3u8", DAY_US),
    FIRST_HLS: _first_fragment,
    "frame.jpg, 1080p": _frame,
    "first byte of a 10 min mp4": _first_byte("video.mp4", TEN_US),
    FIRST_DAY: _first_byte("video.mp4", DAY_US),
}


def measure(run: Run) -> Report:
    """Ask the largest archive, or a small one made for the occasion."""
    there = city.archives()
    archive = there[-1 if not run.quick else 0] if there else city.make(city.MINUTES["300k"], run.work / "300k")
    rows = f"{archive.rows:,} segments in the catalog"
    report = Report(
        "retrieval",
        asks=f"How long does an operator wait, with {rows}, and does recording feel it?",
        method=[
            "`hulta serve` as the supervisor runs it, asked over loopback; who asks runs on the same cores.",
            f"Alone: {ROUNDS} places at random in a day of {len(archive.filmed)} cameras, cold, then once more, warm.",
            "Cold: the system has forgotten every page of the catalog's file; the server has its own 32 MB of pages.",
            "All objects are names of one segment in 1080p at 4 Mbit/s, so footage comes out of memory.",
            f"Crowd: {VIEWERS} viewers go to a random place and play 10 s by HLS in real time, again and again.",
            f"With them {EXPORTS} exports read mp4 files as fast as they come, and {CAMERAS} cameras are recorded.",
            "Time to durable: from a fragment's last frame to its announcement, looked at every 50 ms.",
            "Lost frames are counted by the track's clock in what was stored, gaps by the timeline.",
        ],
    )
    with borrowed(archive):
        asyncio.run(_measure(report, archive, run))
    return report


async def _measure(report: Report, archive: Archive, run: Run) -> None:
    config, log = run.work / "hulta.yaml", run.work / "hulta.log"
    port = _free_port()
    config.write_text(json.dumps({"host": {"name": "bench", "listen": f"127.0.0.1:{port}"}}))
    serve = live_cameras.as_supervised("serve", "--config", config, "--data", archive.root)
    with children.running(serve, log=log) as (pid,):
        await _up(port)
        spans = await viewers.spans_of(port, archive.filmed, END_US - DAY_US, END_US)
        found = await _ask(report, archive, port, Places(spans, 5), QUICK_ROUNDS if run.quick else ROUNDS)
        await _throughput(report, archive, port, pid, QUICK_READ_BYTES if run.quick else READ_BYTES)
        async with live_cameras.recorded(archive.root, config, CAMERAS, log) as recorder:
            calm_s, crowd_s = (QUICK_S, QUICK_S) if run.quick else (CALM_S, CROWD_S)
            calm = await _beside(recorder, pid, calm_s)
            crowd = await _beside(recorder, pid, crowd_s, spans, port)
    verdict = await live_cameras.judge(archive.root, CAMERAS)
    _tell(report, archive, calm, crowd, verdict)
    _draw(report, archive, found, calm, crowd)


async def _ask(
    report: Report, archive: Archive, port: int, places: Places, rounds: int
) -> dict[str, tuple[Spread, Spread]]:
    table = report.table("Alone", Column("question"), Column("rows"), Column("cold", "ms"), Column("warm", "ms"))
    found = {}
    for question, ask in QUESTIONS.items():
        cold, warm = [], []
        for _ in range(rounds):
            wish = Wish(*places.moment(HOUR_US))
            forget_pages(archive)
            cold.append(await ask(port, wish))
            warm.append(await ask(port, wish))
        found[question] = Spread.of(cold), Spread.of(warm)
        table.add(question, archive.rows, *found[question])
    for question, limit_ms in ((FIRST_DAY, 300), (FIRST_HLS, 200)):
        for way, spread in zip(("cold", "warm"), found[question], strict=True):
            report.budget(f"{question}, {way}", spread, unit="ms", at_most=limit_ms, digits=0)
    return found


async def _throughput(report: Report, archive: Archive, port: int, pid: int, most: int) -> None:
    """Read files one after the other; what the server needs for it."""
    table = report.table(
        "Whole files",
        Column("file"),
        Column("rows"),
        Column("size", "GB"),
        Column("read", "GB"),
        Column("speed", "MB/s", digits=0),
        Column("CPU of serve", "ms per MB", digits=2),
        Column("memory of serve before", "MB", digits=0),
        Column("at most while it was read", "MB", digits=0),
    )
    for name, length_us in (("10 min", TEN_US), ("24 h", DAY_US)):
        wish = target(archive.filmed[0], "video.mp4", END_US - length_us, END_US)
        before, cpu, memory = pss_bytes([pid]), cpu_seconds([pid]), []
        async with connected(port) as connection, asyncio.TaskGroup() as group:
            watching = group.create_task(_watch_memory(pid, memory))
            answer = await connection.get(wish, most=most)
            watching.cancel()
        spent_ms = 1000 * (cpu_seconds([pid]) - cpu)
        megabytes = answer.body_bytes / 1e6
        table.add(
            name,
            archive.rows,
            answer.content_bytes / 1e9,
            answer.body_bytes / 1e9,
            megabytes / answer.seconds,
            spent_ms / megabytes,
            before / 1e6,
            max(memory) / 1e6,
        )


async def _watch_memory(pid: int, memory: list[int]) -> None:
    while True:
        memory.append(pss_bytes([pid]))
        await asyncio.sleep(MEMORY_LOOK_S)


class Beside(NamedTuple):
    """A stretch of recording: what it felt, what people saw, and % of a core of record, ship and serve."""

    felt: Felt
    seen: Seen | None
    cpu_percent: tuple[float, float, float]
    asking_percent: float
    seconds: float


async def _beside(recorder: Recorder, serve: int, seconds: float, spans: Sequence[Span] = (), port: int = 0) -> Beside:
    """Record for so long, with a crowd if there is something to look at."""
    pids = (recorder.pid, recorder.ship_pid, serve)
    before, own, began = [cpu_seconds([pid]) for pid in pids], time.process_time(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(recorder.watch(seconds))
        looking = spans and group.create_task(
            viewers.crowd(port, spans, viewers=VIEWERS, exports=EXPORTS, seconds=seconds)
        )
    spent = time.monotonic() - began
    used = [100 * (cpu_seconds([pid]) - base) / spent for pid, base in zip(pids, before, strict=True)]
    asking = 100 * (time.process_time() - own) / spent
    seen = looking.result() if looking else None
    return Beside(watching.result(), seen, (used[0], used[1], used[2]), asking, spent)


def _tell(report: Report, archive: Archive, calm: Beside, crowd: Beside, verdict: Verdict) -> None:
    assert crowd.seen is not None
    seen = crowd.seen
    table = report.table(
        f"A crowd: {VIEWERS} viewers and {EXPORTS} exports for {crowd.seconds:.0f} s",
        Column("what"),
        Column("rows"),
        Column("how many"),
        *(Column(name, "ms", digits=0) for name in ("median", "95 %", "99 %", "slowest")),
    )
    for what, samples in (
        ("playlist of 10 min", seen.playlists),
        ("from the wish to the first fragment", seen.first_fragments),
        ("each further fragment", seen.fragments),
        ("first byte of an export", seen.exports),
    ):
        table.add(what, archive.rows, len(samples), *_percentiles(samples))
    report.note(
        f"{seen.stalls} of {len(seen.fragments)} fragments came after the one before had been played. Viewers read "
        f"{seen.hls_bytes / crowd.seconds / 1e6:.0f} MB/s, exports {seen.export_bytes / crowd.seconds / 1e6:.0f} MB/s; "
        f"asking took {crowd.asking_percent:.0f} % of a core beside them."
    )
    table = report.table(
        f"What the recording of {CAMERAS} cameras felt",
        Column("while"),
        *(Column(f"time to durable, {name}", "ms", digits=0) for name in ("median", "95 %", "99 %", "slowest")),
        *(Column(f"CPU of {role}", "% of a core") for role in ("record", "ship", "serve")),
        Column("interruptions"),
    )
    for name, beside in (("nobody looks", calm), ("the crowd looks", crowd)):
        table.add(name, *_percentiles(beside.felt.late_ms), *beside.cpu_percent, beside.felt.interruptions)
    report.budget("frames lost by recording", Spread.of([verdict.lost_frames]), unit="frames", at_most=0, digits=0)
    report.budget("gaps in what was recorded", Spread.of([len(verdict.absences)]), unit="gaps", at_most=0, digits=0)
    report.note(f"{verdict.frames:,} frames were recorded; {verdict.damaged} segments lost packets.")
    for absence in verdict.absences[:MOST_TOLD]:
        report.note(f"Not recorded: {absence}.")


def _draw(
    report: Report, archive: Archive, found: dict[str, tuple[Spread, Spread]], calm: Beside, crowd: Beside
) -> None:
    assert crowd.seen is not None
    first, alone = sorted(crowd.seen.first_fragments), found[FIRST_HLS][1]
    late = [sorted(beside.felt.late_ms) for beside in (calm, crowd)]
    report.plot(
        f"With {archive.rows:,} segments the first fragment comes after {alone.median:.0f} ms, in a crowd after "
        f"{percentile(first, 50):.0f}; recording is durable after {percentile(late[0], 50):.0f} ms alone and "
        f"{percentile(late[1], 50):.0f} beside the crowd.",
        Panel(
            along="question",
            at=list(found),
            quantity="time",
            unit="ms",
            series=[
                Series(way, [pair[index] for pair in found.values()]) for index, way in enumerate(("cold", "warm"))
            ],
            logarithmic=True,
        ),
        Panel(
            along="share of all",
            at=[f"{percent} %" for percent in SHARES],
            quantity="time",
            unit="ms",
            series=[
                Series(name, [Spread.of([percentile(samples, percent)]) for percent in SHARES])
                for name, samples in (
                    ("crowd: first fragment", first),
                    ("durable, nobody looks", late[0]),
                    ("durable, the crowd looks", late[1]),
                )
            ],
        ),
    )


def _percentiles(samples: list[float]) -> list[float]:
    ordered = sorted(samples)
    return [percentile(ordered, percent) for percent in SHARES]


async def _up(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                async with connected(port) as connection:
                    await connection.get("/readyz")
                    return
            except (OSError, UnexpectedAnswer):
                await asyncio.sleep(LOOK_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(measure)
