"""Latency and bandwidth of the fault proxy, counted in bytes while the test holds the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from storm.proxy_faults import Bandwidth, Latency
from storm.proxy_relay import Relay
from storm.proxy_wire import CREDIT_S, PIECE_S, WINDOW_BYTES
from tests.held_timers import HeldTimers
from tests.loopback_server import LoopbackServer, echo, loopback_server, nothing
from tests.waiting import eventually

KB_PER_S = 8000
NARROW = Bandwidth(bits_per_s=100 * KB_PER_S)
PIECE_BYTES = int(100_000 * PIECE_S)
CREDIT_BYTES = int(100_000 * CREDIT_S)


def carried_after(seconds: int) -> range:
    """What NARROW may have carried: the piece that is half through is missing, the credit for late timers is added."""
    return range(100_000 * seconds - PIECE_BYTES, 100_000 * seconds + CREDIT_BYTES + 1)


@pytest.fixture
def timers() -> HeldTimers:
    """Time stands still until the test lets it pass."""
    return HeldTimers()


@pytest.fixture
async def sink() -> AsyncIterator[LoopbackServer]:
    """A server that only listens."""
    async with loopback_server(nothing) as server:
        yield server


@pytest.fixture
async def relay(sink: LoopbackServer, timers: HeldTimers) -> AsyncIterator[Relay]:
    """A link to that server on held time."""
    async with Relay("127.0.0.1", sink.port, timers=timers) as link:
        yield link


async def sender(relay: Relay, block: bytes) -> asyncio.StreamWriter:
    """A client that has sent, or whose kernel will."""
    _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(block)
    return writer


def under_way(relay: Relay) -> int:
    """What clients have sent and the server has not."""
    return sum(connection.up.under_way.size_bytes for connection in relay.connections)


async def test_a_narrow_link_carries_its_rate_and_no_more(
    relay: Relay, sink: LoopbackServer, timers: HeldTimers
) -> None:
    """At 100 kB/s each second brings 100 000 bytes, give or take 20 ms."""
    await relay.begin(NARROW)
    writer = await sender(relay, bytes(500_000))
    await eventually("the first piece waits", lambda: timers.due)
    for second in (1, 2, 4):
        await timers.pass_until(second, idle=lambda: False)
        assert relay.up.passed_bytes in carried_after(second)
    await eventually("it arrives", lambda: len(sink.received) == relay.up.passed_bytes)
    writer.transport.abort()


async def test_connections_share_the_bandwidth_evenly(relay: Relay, timers: HeldTimers) -> None:
    """Two senders together get what one alone would get, half each."""
    await relay.begin(NARROW)
    writers = [await sender(relay, bytes(400_000)) for _ in range(2)]
    await eventually("both have something to send", lambda: under_way(relay) == 800_000)
    await timers.pass_until(2, idle=lambda: False)
    assert relay.up.passed_bytes in carried_after(2)
    carried = [400_000 - connection.up.under_way.size_bytes for connection in relay.connections]
    assert max(carried) - min(carried) <= 65_536  # what is under way is counted in blocks as they were read
    for writer in writers:
        writer.transport.abort()


async def test_what_is_sent_arrives_after_the_latency_and_so_does_the_end(
    relay: Relay, sink: LoopbackServer, timers: HeldTimers
) -> None:
    """A moment before the latency is over nothing is there; then the bytes are, and the end of the connection."""
    await relay.begin(Latency(ms=250))
    writer = await sender(relay, b"request")
    writer.write_eof()
    await eventually("it has left", lambda: under_way(relay) == len(b"request") and timers.due)
    await timers.pass_until(0.2499, idle=lambda: False)
    assert relay.up.passed_bytes == 0
    assert not sink.endings
    await timers.pass_until(0.25, idle=lambda: relay.up.passed_bytes > 0)
    await eventually("it arrives", lambda: bytes(sink.received) == b"request" and sink.endings == ["end"])
    writer.close()


async def test_latencies_add_up_and_only_those_that_last_count(relay: Relay, timers: HeldTimers) -> None:
    """With 100 and 200 ms bytes arrive at 0.3 s; when the 200 ms are lifted, at once if 0.1 s have passed."""
    for fault in (Latency(ms=100), Latency(ms=200)):
        await relay.begin(fault)
    writer = await sender(relay, b"request")
    await eventually("it has left", lambda: timers.due)
    await timers.pass_until(0.29, idle=lambda: False)
    assert relay.up.passed_bytes == 0
    await relay.end(Latency(ms=200))
    await eventually("it arrives", lambda: relay.up.passed_bytes == len(b"request"))
    writer.close()


async def test_a_link_that_heals_carries_what_waited_at_once(
    relay: Relay, sink: LoopbackServer, timers: HeldTimers
) -> None:
    """Nothing goes on waiting by the old rate."""
    await relay.begin(NARROW)
    writer = await sender(relay, bytes(500_000))
    await eventually("the first piece waits", lambda: timers.due)
    await relay.end(NARROW)
    await eventually("everything arrives while time stands still", lambda: len(sink.received) == 500_000)
    assert timers.now == 0
    writer.close()


async def test_a_sender_faster_than_the_link_is_held_back(relay: Relay, timers: HeldTimers) -> None:
    """What the proxy holds has a bound; the rest waits in the sender."""
    await relay.begin(Latency(ms=60_000))
    writer = await sender(relay, bytes(64 * WINDOW_BYTES))
    await eventually("the window is full", lambda: under_way(relay) == WINDOW_BYTES)
    waiting = writer.transport.get_write_buffer_size()
    assert waiting > 32 * WINDOW_BYTES  # kernel buffers hold a few MiB, the proxy one, the sender has the rest
    for _ in range(100):
        await asyncio.sleep(0)
    assert under_way(relay) == WINDOW_BYTES
    assert timers.now == 0
    writer.transport.abort()


async def test_bytes_stay_whole_and_in_order_while_conditions_change(timers: HeldTimers) -> None:
    """8 MiB come back as they were sent, through a link that is slowed, narrowed and healed meanwhile."""
    sent = bytes(range(256)) * 32768
    wide, faults = Bandwidth(bits_per_s=80_000_000), (NARROW, Latency(ms=30), Latency(ms=5))
    async with loopback_server(echo) as server, Relay("127.0.0.1", server.port, timers=timers) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await relay.begin(wide)
        writer.write(sent)
        writer.write_eof()
        back = asyncio.ensure_future(reader.read())
        for turn, fault in enumerate(faults, 1):
            await relay.begin(fault)
            await eventually("bytes wait", lambda: timers.due)
            await timers.pass_until(0.1 * turn, idle=lambda: False)
            await relay.end(fault)
        assert 0 < relay.up.passed_bytes < len(sent)
        await relay.end(wide)
        assert await asyncio.wait_for(back, 20) == sent
        writer.close()
