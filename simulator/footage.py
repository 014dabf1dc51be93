"""Cameras whose footage changes while they run: other GOPs, B-frames, another picture size.

Every look that a script can give a camera is a reel of its own, encoded before the cameras are announced. Frames of all
of them are numbered by the same clock, so numbers go on, and a change begins with a sync sample of the new reel.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from media.errors import ConfigError
from simulator.faults import Place
from simulator.live import LiveSource
from simulator.loops import encode_loop, loop_frames
from simulator.options import Kind
from simulator.reel import ReelSource
from simulator.steps import Phase, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from media.access_unit import StreamParameters
    from simulator.codec import Codec
    from simulator.faults import Fault
    from simulator.options import CameraOptions, SimulatorOptions
    from simulator.reel import Reel
    from simulator.source import CodedFrame, Source, Times


MAX_PREPARED_BYTES = 1 << 30
"""A minute at 4 Mbit/s is 30 MB, for each kind of camera that a script touches."""


class Look(NamedTuple):
    """What faults make of a camera's footage."""

    gop_us: int | None = None
    b_frames: bool = False
    small: bool = False

    def kind(self, camera: CameraOptions) -> Kind:
        """What a camera of this look sends."""
        return Kind(
            bitrate_bps=camera.bitrate_bps,
            fps=camera.fps,
            gop_us=camera.gop_us if self.gop_us is None else self.gop_us,
            b_frames=camera.b_frames or self.b_frames,
            codec=camera.codec,
            small=self.small,
        )

    def joined(self, other: Look) -> Look:
        """The look of a camera that two scripts act on, which do not share a fault that lasts."""
        return Look(
            gop_us=other.gop_us if self.gop_us is None else self.gop_us,
            b_frames=self.b_frames or other.b_frames,
            small=self.small != other.small,
        )

    def changed(self, fault: Fault, phase: Phase) -> Look:
        """After an event of a script; the same if it is about something else."""
        begins = phase is not Phase.END
        if fault.name == "gop":
            return self._replace(gop_us=fault.number("length") if begins else None)
        if fault.name == "b-frames":
            return self._replace(b_frames=begins)
        if fault.name == "parameter-sets":
            return self._replace(small=not self.small)
        return self


def looks(script: Script, fleet: Mapping[str, str]) -> dict[str, set[Look]]:
    """Every look that each camera can get from a script; cameras that keep theirs are left out."""
    endless = [step for step in script.steps if _endless_change(step.for_us, step.every_us, step.fault)]
    finite = Script(
        tuple(step for step in script.steps if step.fault.kind.place is Place.FOOTAGE and step not in endless)
    )
    seen: dict[str, list[Look]] = {}
    for event in finite.timeline(fleet):
        for camera in event.cameras:
            before = seen.setdefault(camera, [Look()])
            before.append(before[-1].changed(event.fault, event.phase))
    result = {camera: set(all_looks) for camera, all_looks in seen.items()}
    for camera, site in fleet.items():
        if any(step.touches(camera, site) for step in endless):
            either = result.get(camera, {Look()})
            result[camera] = either | {look._replace(small=not look.small) for look in either}
    return result


def _endless_change(for_us: int | None, every_us: int | None, fault: Fault) -> bool:
    return fault.name == "parameter-sets" and every_us is not None and for_us is None


class ChangingSource:
    """A source that can be exchanged for another of its looks at a sync sample of that one."""

    def __init__(self, sources: Mapping[Look, Source]) -> None:
        self._sources = sources
        self._look = Look()
        self._now = sources[self._look]
        self._next: Source | None = None

    @property
    def timetable(self) -> Times:
        """Of what is sent now."""
        return self._now.timetable

    @property
    def codec(self) -> Codec:
        """The same in every look."""
        return self._now.codec

    @property
    def parameters(self) -> StreamParameters:
        """Of what a session that begins now will be sent."""
        return (self._next or self._now).parameters

    def change(self, fault: Fault, phase: Phase) -> None:
        """Another look, from its next sync sample on."""
        self._look = self._look.changed(fault, phase)
        following = self._sources[self._look]
        self._next = None if following is self._now else following

    def next_sync(self, number: int) -> int:
        """The first sync sample at or after a frame; where a change is waiting, the one it comes with."""
        return (self._next or self._now).next_sync(number)

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Deliver a frame of now, or begin with what is next."""
        if self._next is not None and self._next.next_sync(number) == number:
            self._now, self._next = self._next, None
        self._now.produce(number, deliver)


async def add_looks(options: SimulatorOptions, sources: Sequence[Source], workers: Executor) -> list[Source]:
    """The same sources; where a script changes a camera's footage, one that can change.

    Cameras drawn live play a loop instead: a picture that is still being encoded would come after the change.
    ConfigError if a file is played, or if all of it would take more than MAX_PREPARED_BYTES.
    """
    fleet = {camera.name: camera.site for camera in options.lineup}
    # The script may begin at any time after the flags: each of its looks may meet each of theirs.
    by_flags, by_script = looks(Script(options.faults), fleet), looks(options.script or Script(), fleet)
    wanted = {
        name: {one.joined(other) for one in by_flags.get(name, {Look()}) for other in by_script.get(name, {Look()})}
        for name in {**by_flags, **by_script}
    }
    if wanted and options.file is not None:
        raise ConfigError("gop, b-frames and parameter-sets need generated footage: --file plays a file as it is")
    changing = [
        (camera, source, wanted[camera.name])
        for camera, source in zip(options.lineup, sources, strict=True)
        if camera.name in wanted
    ]
    kinds = {
        look.kind(camera)
        for camera, source, its_looks in changing
        for look in its_looks
        if look.kind(camera) != camera.kind or isinstance(source, LiveSource)
    }
    reels = await _encode_all(sorted(kinds), options.seed, workers)
    changed = {camera.name: _changing(camera, source, its_looks, reels) for camera, source, its_looks in changing}
    return [changed.get(camera.name, source) for camera, source in zip(options.lineup, sources, strict=True)]


def _changing(camera: CameraOptions, source: Source, its_looks: set[Look], reels: Mapping[Kind, Reel]) -> Source:
    assert isinstance(source, ReelSource | LiveSource)
    of_kinds: dict[Kind, Source] = {camera.kind: source}
    for look in its_looks:
        kind = look.kind(camera)
        if kind in reels:
            of_kinds[kind] = ReelSource(reels[kind], source.timetable.phase_us)
    return ChangingSource({look: of_kinds[look.kind(camera)] for look in its_looks})


async def _encode_all(kinds: Sequence[Kind], seed: int, workers: Executor) -> dict[Kind, Reel]:
    needed_bytes = sum(kind.bitrate_bps * loop_frames(kind) // kind.fps // 8 for kind in kinds)
    if needed_bytes > MAX_PREPARED_BYTES:
        raise ConfigError(
            f"gop, b-frames and parameter-sets need {needed_bytes >> 20} MiB of footage prepared for this script, "
            f"more than {MAX_PREPARED_BYTES >> 20}: name fewer cameras, or a shorter length"
        )
    loop = asyncio.get_running_loop()
    made = await asyncio.gather(*(loop.run_in_executor(workers, encode_loop, kind, 0, seed) for kind in kinds))
    return dict(zip(kinds, made, strict=True))
