"""What the turns of `ingest` come to: figures per camera, ratios within a round, budgets, the plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.ingest_ways import FFMPEG, FLOOR, HULTA, WAYS
from benchmarks.plot import Panel, Series
from benchmarks.report import Column, Report
from benchmarks.spread import Spread, number

BITRATE_BPS = 4_000_000
SENT_PERCENT = 98.0
STORED_PERCENT = 85.0  # what is stored jumps by fragments and by the blocks in which it is written
OF_FFMPEG, OF_FLOOR, MEMORY_MB, GROWTH = 0.45, 3.5, 1.5, 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One way with all cameras, in one round."""

    way: str
    cameras: int
    round: int
    cpu_percent: tuple[float, ...]  # of one core, all processes of the way together, by window
    source_cpu_percent: tuple[float, ...]
    memory_bytes: int  # more than without cameras
    syscalls_per_s: float | None
    uncounted: str
    sent_bytes_per_s: float  # by the cameras, RTP headers included
    stored_bytes_per_s: float
    packet_bytes: float  # from the floor alone
    arrived: int
    arrival_s: float

    @property
    def sent_percent(self) -> float:
        """What the way took from its cameras, of their nominal bitrate."""
        return 100 * self.sent_bytes_per_s * 8 / (self.cameras * BITRATE_BPS)

    @property
    def stored_percent(self) -> float:
        """What it stored, of the same."""
        return 100 * self.stored_bytes_per_s * 8 / (self.cameras * BITRATE_BPS)

    @property
    def kept_up(self) -> bool:
        """Whether all that the cameras made was taken and written."""
        complete = self.arrived >= self.cameras and self.sent_percent >= SENT_PERCENT
        return complete and self.stored_percent >= STORED_PERCENT

    def text(self) -> str:
        """A line that tells how far the run is."""
        cpu = statistics.median(self.cpu_percent)
        return (
            f"{self.cameras} cameras, round {self.round + 1}, {self.way}: {cpu:.1f} % of a core, "
            f"{self.sent_percent:.0f} % taken, {self.stored_percent:.0f} % stored, there after {self.arrival_s:.1f} s"
        )


class Turns:
    """All turns, by way and number of cameras."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.all = turns
        self.fleets = sorted({turn.cameras for turn in turns})

    def of(self, way: str, cameras: int) -> list[Turn]:
        """In the order of their rounds."""
        chosen = [turn for turn in self.all if turn.way == way and turn.cameras == cameras]
        return sorted(chosen, key=lambda turn: turn.round)

    def spread(self, way: str, cameras: int, figure: Callable[[Turn], Sequence[float]]) -> Spread | None:
        """A figure over all its turns; None where there was none."""
        samples = [sample for turn in self.of(way, cameras) for sample in figure(turn)]
        return Spread.of(samples) if samples else None

    def cpu(self, way: str, cameras: int) -> Spread | None:
        """Share of a core per camera, by window."""
        return self.spread(way, cameras, lambda turn: [each / cameras for each in turn.cpu_percent])

    def memory_mb(self, way: str, cameras: int) -> Spread | None:
        """Additional memory per camera, by round."""
        return self.spread(way, cameras, lambda turn: [turn.memory_bytes / cameras / 1e6])

    def calls(self, way: str, cameras: int) -> Spread | None:
        """System calls per camera and second, by round."""
        return self.spread(
            way, cameras, lambda turn: [] if turn.syscalls_per_s is None else [turn.syscalls_per_s / cameras]
        )

    def packets(self, cameras: int) -> float:
        """Packets per camera and second, as the floor read them."""
        floor = self.of(FLOOR, cameras)
        return statistics.mean(turn.sent_bytes_per_s / cameras / turn.packet_bytes for turn in floor) if floor else 0.0

    def ratio(self, way: str, other: str, cameras: int) -> Spread | None:
        """CPU of one way divided by that of another in the same round, by round, where both recorded everything."""
        others = {turn.round: statistics.median(turn.cpu_percent) for turn in self.of(other, cameras) if turn.kept_up}
        mine = [(turn.round, statistics.median(turn.cpu_percent)) for turn in self.of(way, cameras) if turn.kept_up]
        samples = [cpu / others[number] for number, cpu in mine if number in others]
        return Spread.of(samples) if samples else None


def report(turns: Sequence[Turn], problems: Sequence[str], *, window_s: int) -> Report:
    """The tables, budgets and the plot."""
    found = Report(
        "ingest",
        asks="What does recording cost per camera?",
        method=[
            f"Simulated H.264 cameras of {BITRATE_BPS / 1e6:g} Mbit/s over RTSP/TCP on loopback.",
            "The ways take turns, each round begins with another one.",
            f"Windows of {window_s} s, once pictures of every camera are stored.",
            "CPU: what all threads of the way ran, user and kernel mode; the kernel's writers count nowhere.",
            "Memory: PSS with the cameras less PSS of the same process before it had any; all of it for ffmpeg.",
            "System calls: `perf stat -e raw_syscalls:sys_enter` in a window of their own, all threads.",
            "Packets: counted in what the raw copy wrote.",
            "Taken: what the cameras could send (`wchar` of the simulator), headers included, of the nominal bitrate.",
            "Stored: growth of the files, of the same; jumps by fragments, with ffmpeg and PyAV by blocks of 256 KiB.",
        ],
    )
    all_turns = Turns(turns)
    _tables(found, all_turns)
    for cameras in all_turns.fleets:
        _budgets(found, all_turns, cameras)
    _growth(found, all_turns)
    _notes(found, all_turns, problems)
    _plot(found, all_turns)
    return found


def _tables(found: Report, turns: Turns) -> None:
    costs = found.table(
        "Per camera, by number of cameras",
        Column("cameras"),
        Column("way"),
        Column("CPU per camera", "% of a core", 3),
        Column("of the raw copy", "x", 2),
        Column("memory per camera", "MB", 2),
        Column("system calls per camera", "1/s", 1),
        Column("per packet", digits=3),
        Column("taken", "%", 1),
        Column("stored", "%", 0),
        Column("simulator", "% of a core", 0),
    )
    for cameras in turns.fleets:
        packets = turns.packets(cameras)
        for way in WAYS:
            calls = turns.calls(way, cameras)
            costs.add(
                cameras,
                way,
                turns.cpu(way, cameras),
                turns.ratio(way, FLOOR, cameras),
                turns.memory_mb(way, cameras),
                calls,
                calls.times(1 / packets) if calls and packets else None,
                turns.spread(way, cameras, lambda turn: [turn.sent_percent]),
                turns.spread(way, cameras, lambda turn: [turn.stored_percent]),
                turns.spread(way, cameras, lambda turn: turn.source_cpu_percent),
            )


def _budgets(found: Report, turns: Turns, cameras: int) -> None:
    of_ffmpeg, of_floor = turns.ratio(HULTA, FFMPEG, cameras), turns.ratio(HULTA, FLOOR, cameras)
    memory = turns.memory_mb(HULTA, cameras)
    if of_ffmpeg:
        found.budget(f"CPU of ffmpeg, {cameras} cameras", of_ffmpeg, unit="x", at_most=OF_FFMPEG)
    if of_floor:
        found.budget(f"CPU of the raw copy, {cameras} cameras", of_floor, unit="x", at_most=OF_FLOOR)
    if memory:
        found.budget(f"memory per camera, {cameras} cameras", memory, unit="MB", at_most=MEMORY_MB)


def _growth(found: Report, turns: Turns) -> None:
    """Whether a camera costs the same among many."""
    few, many = turns.fleets[0], turns.fleets[-1]
    first, last = turns.cpu(HULTA, few), turns.cpu(HULTA, many)
    complete = all(turn.kept_up for cameras in (few, many) for turn in turns.of(HULTA, cameras))
    if first and last and few != many and complete:
        one = Spread.of([last.median / first.median])
        found.budget(f"CPU per camera among {many}, of that among {few}", one, unit="x", at_most=GROWTH)


def _notes(found: Report, turns: Turns, problems: Sequence[str]) -> None:
    for problem in problems:
        found.note(f"Not measured: {problem}.")
    for turn in turns.all:
        if not turn.kept_up:
            found.note(_behind(turn))
    for complaint in sorted({turn.uncounted for turn in turns.all if turn.uncounted}):
        found.note(f"System calls were not counted: {complaint}.")


def _behind(turn: Turn) -> str:
    return (
        f"{turn.way}, {turn.cameras} cameras, round {turn.round + 1}, did not keep up on this machine: pictures of "
        f"{turn.arrived} cameras within {turn.arrival_s:.0f} s, {turn.sent_percent:.0f} % of the bytes taken, "
        f"{turn.stored_percent:.0f} % stored. Its CPU is what it took for that, and is compared with nothing."
    )


def _sees(turns: Turns) -> str:
    """Where hulta stands beside ffmpeg and the floor, with the most cameras that both recorded."""
    most = max((each for each in turns.fleets if turns.ratio(HULTA, FLOOR, each)), default=turns.fleets[-1])
    ratios = ((turns.ratio(HULTA, FFMPEG, most), "ffmpeg"), (turns.ratio(HULTA, FLOOR, most), "a raw copy"))
    compared = [f"{number(ratio.median, 2)} x the CPU of {name}" for ratio, name in ratios if ratio]
    return f"Recording {most} cameras durably takes {' and '.join(compared) or 'CPU that was not compared'}."


def _plot(found: Report, turns: Turns) -> None:
    found.plot(
        _sees(turns),
        *(
            Panel(
                along="cameras",
                at=turns.fleets,
                quantity=quantity,
                unit=unit,
                series=[Series(way, [figure(way, cameras) for cameras in turns.fleets]) for way in WAYS],
                logarithmic=logarithmic,
            )
            for quantity, unit, figure, logarithmic in (
                ("CPU per camera", "% of a core", turns.cpu, False),
                ("memory per camera", "MB", turns.memory_mb, True),
                ("system calls per camera", "1/s", turns.calls, True),
            )
        ),
    )
