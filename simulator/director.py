"""Carries out a script of faults on running cameras, and says in the fault log what is wrong from when to when.

What lasts is noted as a camera's conditions, which its frames, requests and clocks look at. What concerns
connections is done to them here: some faults begin with hanging up, or nobody would notice them before the next day.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from media.errors import ConfigError
from simulator.conditions import MUTE, Conditions
from simulator.crystal import DriftingSource
from simulator.fault_log import FaultLog
from simulator.faults import Place
from simulator.footage import ChangingSource
from simulator.rtp_stream import rtp_duration
from simulator.steps import Phase, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AsyncExitStack

    from simulator.clock import CameraClock
    from simulator.faults import Fault
    from simulator.options import SimulatorOptions
    from simulator.rtsp_server import RtspServer
    from simulator.session import Session
    from simulator.source import Source
    from simulator.steps import Event, Step

_SHUT = frozenset({"refuse", "off"})
_HANG_UP_FIRST = frozenset({"401", "404", "453", "503", "silence", "no-sps", "timestamp-wrap"})


class Director:
    """Knows what is going to be wrong, and with whom. ConfigError if the script does not fit the cameras."""

    def __init__(self, options: SimulatorOptions, clock: CameraClock) -> None:
        steps = options.script.steps if options.script else ()
        self._script = Script((*steps, *options.faults))
        """The flags after the steps: that is how they are numbered in the log."""
        self._steps = range(1, len(steps) + 1)
        self._fleet = {camera.name: camera.site for camera in options.lineup}
        self._log_path = options.fault_log
        self._clock = clock
        self._server: RtspServer
        self._log: FaultLog | None = None
        self._changing: dict[str, ChangingSource] = {}
        self._occurrences = 0
        self._acting = asyncio.Lock()
        """Flags and the script act one after the other: opening a door takes a moment, and they may share one."""
        self._conditions = {name: Conditions(name, options.seed, clock) for name in self._fleet}
        for step in self._script.steps:
            if not step.fault.kind.place.of_cameras:
                raise ConfigError(
                    f"{step.place}: {step.fault.name} is for the recorder, not for cameras: `hulta storm` does that"
                )
        # The script may begin at any time after the flags: what they have in common is refused whenever it is.
        for flag in options.faults:
            Script((*steps, _for_ever(flag))).timeline(self._fleet)
        flags = range(len(steps) + 1, len(self._script.steps) + 1)
        self._flags = self._script.timeline(self._fleet, flags)
        self._once: dict[str, Callable[[str, Fault], None]] = {
            "cut": self._cut,
            "ssrc-change": self._change_ssrc,
            "sequence-jump": self._jump_sequence,
            "timestamp-jump": lambda name, fault: self._shift(name, fault.number("by")),
            "timestamp-backwards": lambda name, fault: self._shift(name, -fault.number("by")),
            "parameter-sets": self._change_footage,
        }

    def prepare(self, name: str, source: Source) -> Source:
        """A camera's source as the script needs it: one that can drift and change."""
        if isinstance(source, ChangingSource):
            self._changing[name] = source
        drifts = any(
            step.fault.name == "drift" and step.touches(name, self._fleet[name]) for step in self._script.steps
        )
        return DriftingSource(source, self._conditions[name].crystal) if drifts else source

    async def open(self, server: RtspServer, resources: AsyncExitStack) -> None:
        """Take over the cameras of a server that listens. Flags without a time act before anybody can connect."""
        self._server = server
        self._log = resources.enter_context(FaultLog(self._log_path)) if self._log_path else None
        for event in self._flags:
            if event.at_us > 0:
                self._flags = chain((event,), self._flags)
                return
            await self._act(event)

    async def perform(self) -> None:
        """The script, from now on; returns when it is over."""
        await self._perform(self._script.timeline(self._fleet, self._steps))

    async def perform_flags(self) -> None:
        """What the command line asks for later, or again and again."""
        await self._perform(self._flags)

    async def _perform(self, events: Iterator[Event]) -> None:
        start_s = asyncio.get_running_loop().time()
        for event in events:
            await _until(start_s + event.at_us / 1_000_000)
            async with self._acting:
                await self._act(event)

    async def _act(self, event: Event) -> None:
        if event.phase is Phase.END:
            for name in event.cameras:
                await self._end(name, event.fault)
        self._note(event)
        if event.phase is Phase.BEGIN:
            for name in event.cameras:
                self._begin(name, event.fault)
        elif event.phase is Phase.ONCE:
            self._occurrences += 1
            for name in event.cameras:
                self._troubled(name)
                self._once[event.fault.name](name, event.fault)

    def _note(self, event: Event) -> None:
        if self._log is not None:
            self._log(self._clock.wall_us(), event)

    def _begin(self, name: str, fault: Fault) -> None:
        conditions = self._troubled(name)
        conditions.begin(fault)
        if fault.name in _SHUT:
            self._server.shut(name)
        for connection in self._server.connections_of(name):
            if fault.name == "off":
                connection.deafen()
            elif fault.name in _HANG_UP_FIRST:
                connection.hang_up()
        if fault.name in MUTE:
            for session in self._sessions(name):
                session.rest()
        if fault.name == "timestamp-freeze":
            conditions.rtp_clock.freeze()
        if fault.name == "drift":
            conditions.crystal.run(fault.number("ppm"), self._clock.wall_us())
        if fault.kind.place is Place.FOOTAGE:
            self._changing[name].change(fault, Phase.BEGIN)

    async def _end(self, name: str, fault: Fault) -> None:
        conditions = self._conditions[name]
        conditions.end(fault)
        if fault.name == "off":
            for connection in self._server.connections_of(name):
                connection.reset()
        if fault.name in _SHUT and _SHUT.isdisjoint(conditions.active):
            await self._reopen(name)
        if fault.name == "timestamp-freeze":
            conditions.rtp_clock.thaw()
        if fault.name == "drift":
            conditions.crystal.run(0, self._clock.wall_us())
        if fault.kind.place is Place.FOOTAGE:
            self._changing[name].change(fault, Phase.END)

    async def _reopen(self, name: str) -> None:
        try:
            await self._server.reopen(name)
        except OSError as error:
            url = self._server.urls[name]
            raise ConfigError(f"simulator: cannot listen at {url} again: {error.strerror}") from error

    def _cut(self, name: str, fault: Fault) -> None:
        del fault
        for connection in self._server.connections_of(name):
            if connection.session is not None:
                connection.session.detour_for(self._conditions[name]).cut_next(connection.hang_up)

    def _change_ssrc(self, name: str, fault: Fault) -> None:
        random = self._conditions[name].chance(fault.name, self._occurrences)
        for session in self._sessions(name):
            session.stream.change_ssrc(random)

    def _jump_sequence(self, name: str, fault: Fault) -> None:
        for session in self._sessions(name):
            session.stream.sequence = (session.stream.sequence + fault.number("by")) & 0xFFFF

    def _shift(self, name: str, by_us: int) -> None:
        self._conditions[name].rtp_clock.shift(rtp_duration(by_us))

    def _change_footage(self, name: str, fault: Fault) -> None:
        self._changing[name].change(fault, Phase.ONCE)

    def _troubled(self, name: str) -> Conditions:
        """The conditions of a camera, which it looks at from now on."""
        camera = self._server.cameras[name]
        camera.conditions = conditions = self._conditions[name]
        return conditions

    def _sessions(self, name: str) -> Iterator[Session]:
        for connection in self._server.connections_of(name):
            if connection.session is not None:
                yield connection.session


def _for_ever(flag: Step) -> Step:
    return replace(flag, at_us=0, for_us=None) if flag.fault.kind.lasting else flag


async def _until(at_s: float) -> None:
    """Wait for a time of the event loop's clock; no time at all if it has passed."""
    loop = asyncio.get_running_loop()
    if at_s > loop.time():
        reached = loop.create_future()
        timer = loop.call_at(at_s, reached.set_result, None)
        try:
            await reached
        finally:
            timer.cancel()
