"""What a source makes of what the process of libav says, and of what it had better not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest import libav_wire as wire
from ingest.libav_source import LibavSource
from ingest.libav_wire import Opened
from media.access_unit import AccessUnit
from media.errors import GapReason
from media.nal import split_length_prefixed
from storage.clock import FakeClock
from tests.builders_h264 import IDR, PPS, SLICE, SPS, with_start_codes

OPENED = Opened(codec="h264", configuration=b"", format="mpegts", timed=True, landlock=7)
PICTURES = [[SPS, PPS, IDR], [SLICE]]


class Child:
    """A source, and what is written into its pipe."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.clock = FakeClock()
        self.source = LibavSource(self.units.append, self.clock)

    def say(self, *messages: bytes) -> None:
        """On its standard output."""
        self.source.pipe_data_received(1, b"".join(messages))

    def end(self) -> tuple[GapReason, str]:
        """Why it ended."""
        failure = self.source.failure.result()
        return failure.reason, str(failure)


@pytest.fixture(name="child")
async def _child() -> Child:
    return Child()


def pictures() -> list[bytes]:
    """Messages of two pictures."""
    return [wire.packet(3600 * n, False, with_start_codes(nals)) for n, nals in enumerate(PICTURES)]


async def test_the_last_picture_comes_with_the_end(child: Child) -> None:
    """A picture is complete when another begins, or when nothing more comes."""
    child.say(wire.opened(OPENED), *pictures())
    assert len(child.units) == 1
    child.say(wire.ended(GapReason.UNREACHABLE, "the stream ended"))
    assert [split_length_prefixed(unit.nals) for unit in child.units] == PICTURES
    assert child.end() == (GapReason.UNREACHABLE, "the stream ended")


async def test_nothing_is_heard_after_the_end(child: Child) -> None:
    """Whatever is still in the pipe."""
    child.say(wire.opened(OPENED), wire.ended(GapReason.BUSY, "no"), *pictures())
    child.say(*pictures())
    assert child.units == []


@pytest.mark.parametrize(
    ("messages", "reason", "words"),
    [
        ([wire.packet(0, False, b"x")], GapReason.PROTOCOL, "a packet before anything was opened"),
        ([wire.opened(OPENED), wire.opened(OPENED)], GapReason.PROTOCOL, "opened twice"),
        ([b"Traceback"], GapReason.PROTOCOL, "a message of kind 84"),
        ([wire.opened(replace(OPENED, codec="vp9"))], GapReason.UNSUPPORTED, "the camera offers vp9 is none of"),
    ],
)
async def test_what_it_should_not_say_ends_it(
    child: Child, messages: list[bytes], reason: GapReason, words: str
) -> None:
    """It may have been broken into."""
    child.say(*messages)
    assert child.end()[0] is reason
    assert words in child.end()[1]


async def test_an_end_without_a_word_is_a_crash(child: Child) -> None:
    """Of whatever kind."""
    child.say(wire.opened(OPENED))
    child.source.connection_lost(None)
    assert child.end() == (GapReason.CRASH, "the process of libav ended: without a word")
    assert child.source.gone.is_set()


async def test_a_packet_that_makes_no_sense_costs_itself(child: Child) -> None:
    """It is counted, and told as evidence."""
    child.say(wire.opened(OPENED), *pictures(), wire.packet(7200, False, b"no start code"))
    child.say(wire.packet(10800, False, with_start_codes([IDR])), wire.ended(GapReason.UNREACHABLE, ""))
    assert [split_length_prefixed(unit.nals) for unit in child.units] == [*PICTURES, [IDR]]
    assert "4 packets, 1 malformed, no start code in 13 bytes" in child.source.what_came()


async def test_silence_and_time_that_stood_still(child: Child) -> None:
    """Eight seconds after the last packet; not the ones in which this process was stopped."""
    child.say(wire.opened(OPENED))
    child.clock.advance(7_000_000)
    child.source.held(3_000_000)
    child.clock.advance(3_000_000)
    child.source.check(child.clock.boot_us())
    assert not child.source.failure.done()
    child.clock.advance(2_000_000)
    child.source.check(child.clock.boot_us())
    assert child.end() == (GapReason.NO_MEDIA, "nothing from libav within 8 s")
