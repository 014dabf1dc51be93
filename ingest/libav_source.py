"""`source: libav`: an odd device through a process of libav's, as a source like any other (`ingest.source`).

The process is made for one session and dies with it, however that ends: it is killed, which is the only thing that
always works. It is trusted with the URL of its own camera and believed nothing (`ingest.libav_wire`). What bounds it:
its memory and files (`ingest.libav_child`); its CPU time, which is granted bit by bit, half a core on average; silence,
like a camera's; and floods, which `ingest.watch` notices. What it sends waits in the pipe (64 KiB) until it is read;
what was read is taken at once.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from typing import TYPE_CHECKING, cast

import structlog

from ingest.disposable import command, surroundings
from ingest.libav_lines import Lines, dial
from ingest.libav_order import libav_order
from ingest.libav_wire import Messages, Opened, Order, Packet
from ingest.network import resolve
from ingest.source import Tally
from media.errors import CodecError, GapReason, MediaError, SourceError
from media.packet_times import PacketTimes
from media.packet_units import packet_units
from storage.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.approach import Approach
    from ingest.backoff import Herd
    from ingest.libav_lines import Line
    from ingest.tracks import Emit, TrackTaker
    from media.packet_units import PacketUnits
    from storage.clock import Clock

OPEN_TIMEOUT_S = 12.0
"""libav itself gives up after 8; starting the process takes 0.3 s here, 6 on a host that is busy."""

KILL_TIMEOUT_S = 2.0
NO_MEDIA_US = 8_000_000
CPU_GRANT_S = 30
CPU_SHARE = 2
"""It may use one second of CPU time in two, and CPU_GRANT_S ahead."""

STDOUT = 1

log = structlog.get_logger()


class LibavSource(asyncio.SubprocessProtocol):
    """A session with one device. See `ingest.source.Source`."""

    def __init__(self, emit: Emit, clock: Clock, lines: Lines | None = None) -> None:
        self._emit = emit
        self._lines = lines
        self._clock = clock
        self._transport: asyncio.SubprocessTransport | None = None
        self._messages = Messages(on_opened=self._opened, on_packet=self._packet, on_ended=self._ended)
        self._units: PacketUnits | None = None
        self._times = PacketTimes()
        self._packets = self._octets = self._received_bytes = self._malformed = 0
        self._lost = 0
        self._last_error = ""
        self._began_us = self._granted_us = self._last_us = clock.boot_us()
        self._closed = False
        self.failure: asyncio.Future[SourceError] = asyncio.get_running_loop().create_future()
        self.opened: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        """Set once the process has ended and nothing of it is left."""

    # --- the port

    def check(self, boot_us: int) -> None:
        """Notices silence; grants CPU time."""
        if self.failure.done():
            return
        self._grant(boot_us)
        if boot_us - self._last_us > NO_MEDIA_US:
            seconds = NO_MEDIA_US // 1_000_000
            if self._packets:
                self.fail(GapReason.STALLED, f"nothing from libav for {seconds} s; {self._packets} packets in all")
            else:
                self.fail(GapReason.NO_MEDIA, f"nothing from libav within {seconds} s")

    def hurry(self, *, wanted: bool) -> None:
        """Units come as soon as the child has them, whoever watches."""

    def held(self, held_us: int) -> None:
        """See `Source`."""
        self._last_us += held_us

    def fail(self, reason: GapReason, message: str) -> None:
        """See `Source`. The process is killed."""
        if not self.failure.done():
            self.failure.set_result(SourceError(reason, message))
        self._end()

    def tally(self) -> Tally:
        """See `Source`."""
        parts = 0 if self._units is None else self._units.parts
        return Tally(wire_bytes=self._received_bytes, octets=self._octets, work=self._packets + parts)

    @property
    def waited_us(self) -> int:
        """Nobody tells."""
        return 0

    def what_came(self) -> str:
        """See `Source`."""
        words = [f"{self._packets} packets"]
        if self._malformed:
            words += [f"{self._malformed} malformed", self._last_error]
        return ", ".join(words)

    def close(self) -> None:
        """See `Source`."""
        self._end()

    # --- what the process says

    def _opened(self, said: Opened) -> None:
        if self.opened.done():
            raise MediaError("opened twice")
        try:
            self._units = packet_units(said.codec, said.configuration, self._emit)
        except CodecError as error:
            self.fail(GapReason.UNSUPPORTED, f"the camera offers {error}")
            return
        self._times = PacketTimes(timed=said.timed)
        self._last_us = self._clock.boot_us()  # opening was no silence
        self.opened.set_result(said)

    def _packet(self, packet: Packet) -> None:
        if self._closed:
            return  # the rest of what was read when it ended
        if self._units is None:
            raise MediaError("a packet before anything was opened")
        self._packets += 1
        self._octets += len(packet.payload)
        self._last_us = self._clock.boot_us()
        for ticks, payload, damaged in self._times.place(packet, self._last_us):
            self._push(payload, ticks & 0xFFFFFFFF, self._lost + damaged)

    def _push(self, payload: bytes, timestamp: int, lost: int) -> None:
        assert self._units is not None
        self._lost = 0
        try:
            self._units.push(payload, timestamp, lost)
        except CodecError as error:
            self._note(error)

    def _note(self, error: CodecError) -> None:
        self._malformed += 1
        self._last_error = str(error)

    def _ended(self, why: SourceError) -> None:
        if self._units is not None:
            try:
                self._units.finish()
            except CodecError as error:
                self._note(error)
        refused = None if self._lines is None or self.opened.done() else self._lines.refused
        if refused is not None:
            why = refused  # libav only knows that there was no connection
        self.fail(why.reason, str(why))

    # --- the process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs, and has as much CPU time as it is granted from the first moment on."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._grant(self._clock.boot_us())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Parse what it wrote."""
        if fd != STDOUT or self._closed:
            return
        self._received_bytes += len(data)
        try:
            self._messages.received(data)
        except MediaError as error:
            self.fail(GapReason.PROTOCOL, f"the process of libav said {error}")

    def process_exited(self) -> None:
        """It is gone. What it said before may still wait in the pipe, so this alone ends nothing."""

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The end of what it says."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """All pipes are closed and the process is gone: if it did not say why, its exit does."""
        self.gone.set()
        if self._closed:
            return
        code = None if self._transport is None else self._transport.get_returncode()
        self.fail(GapReason.CRASH, f"the process of libav ended: {_exit_words(code)}")

    def _grant(self, boot_us: int) -> None:
        """More CPU time, for the seconds that went by (prlimit(2); SIGXCPU ends it where they do not suffice)."""
        transport = self._transport
        if transport is None or boot_us < self._granted_us or transport.get_returncode() is not None:
            return
        self._granted_us = boot_us + 1_000_000 * CPU_GRANT_S // 4
        seconds = CPU_GRANT_S + (boot_us - self._began_us) // (CPU_SHARE * 1_000_000)
        try:
            _, most = resource.prlimit(transport.get_pid(), resource.RLIMIT_CPU)
            resource.prlimit(transport.get_pid(), resource.RLIMIT_CPU, (seconds, most))
        except ProcessLookupError:
            self._granted_us = boot_us  # it has just ended; its pipes will say so

    def _end(self) -> None:
        self._closed = True
        if self._lines is not None:
            self._lines.close()
        if self._transport is not None:
            self._transport.close()  # which kills it


async def open_libav(approach: Approach, *, herd: Herd, clock: Clock, takers: Mapping[str, TrackTaker]) -> LibavSource:
    """Start libav on a camera, and wait until it says what there is. SourceError otherwise, as `open_session`.

    The connection is made first: a camera that is not there costs no process.
    """
    await herd.turn()
    addresses = await resolve(approach.url.host, approach.url.port, approach.networks)
    order = libav_order(approach.url, addresses[0])

    async def again() -> Line:
        await herd.turn()
        return await dial(approach, addresses)

    lines = Lines(await dial(approach, addresses), again)
    source = LibavSource(takers["video"].units, clock, lines)
    herd.processes.add(source.gone)
    try:
        async with herd.handshakes:
            await _start(source, order, lines, clock)
            said = await _wait_opened(source, clock)
    except BaseException:
        source.close()
        await first_of(source.gone.wait(), clock.sleep(KILL_TIMEOUT_S))
        raise
    log.info("libav_opened", camera=approach.url, codec=said.codec, format=said.format, landlock=said.landlock)
    return source


async def _wait_opened(source: LibavSource, clock: Clock) -> Opened:
    await first_of(asyncio.wait([source.opened]), asyncio.wait([source.failure]), clock.sleep(OPEN_TIMEOUT_S))
    if source.failure.done():
        raise source.failure.result()
    if not source.opened.done():
        raise SourceError(GapReason.UNREACHABLE, f"libav opened nothing within {OPEN_TIMEOUT_S:.0f} s")
    return source.opened.result()


async def _start(source: LibavSource, order: Order, lines: Lines, clock: Clock) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        with theirs:
            try:
                await asyncio.get_running_loop().subprocess_exec(
                    lambda: source,
                    *command("ingest.libav_child"),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    **surroundings(),
                )
            except OSError as error:
                source.gone.set()
                message = f"the process of libav could not be started: {error.strerror}"
                raise SourceError(GapReason.CRASH, message) from error
        await first_of(_introduced(ours, order, lines), asyncio.wait([source.failure]), clock.sleep(OPEN_TIMEOUT_S))


async def _introduced(ours: socket.socket, order: Order, lines: Lines) -> None:
    """The child has its order, and we have what it asks for connections with: from then on it is confined."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(ours, order.to_bytes())
    ours.shutdown(socket.SHUT_WR)
    readable = asyncio.Event()
    loop.add_reader(ours, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(ours)
    _word, found, _flags, _address = socket.recv_fds(ours, 1, 1)
    for questions in found:
        lines.open(questions)


def _exit_words(code: int | None) -> str:
    if code is None:
        return "without a word"
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name
