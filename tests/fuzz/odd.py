"""Targets: what comes from odd devices by way of libav's process (docs/odd-devices.md)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ingest.libav_wire import MOST_PACKET_BYTES, MOST_WORDS_BYTES, Messages
from media.access_unit import AccessUnit
from media.codecs import describe_entry
from media.errors import CodecError, MediaError, Mp4Error
from media.jpeg import CODEC, jpeg_unit
from media.packet_units import packet_units
from media.sample_entry import visual_entry
from tests.fuzz.inputs import Input

CODECS = ("h264", "hevc", "mjpeg")


def jpeg_pictures(content: bytes) -> None:
    """Nothing but CodecError; a unit is the picture itself, and a file tells the same size as the picture."""
    with suppress(CodecError):
        unit = jpeg_unit(content, 1, 0, None)
        assert bytes(unit.nals) == content
        assert unit.sync
        assert unit.parameters is not None
        track = unit.parameters.track()
        assert describe_entry(track.sample_entry) == (CODEC, track.width, track.height)
    with suppress(Mp4Error):
        describe_entry(visual_entry(b"mp4v", 8, 8, content[:200]))


def messages(content: bytes) -> None:
    """Nothing but MediaError; what is heard does not depend on how a pipe cut it; nothing above the bounds is kept."""
    given = Input(content)
    size, stream = given.number() + 1, given.rest()
    heard = []
    for step in (size, len(stream) or 1):
        found: list[Any] = []
        reader = Messages(on_opened=found.append, on_packet=found.append, on_ended=lambda why: found.append(str(why)))  # noqa: B023 - called in this turn only
        try:
            for at in range(0, len(stream), step):
                reader.received(stream[at : at + step])
                assert len(reader._buffer) <= max(MOST_PACKET_BYTES, MOST_WORDS_BYTES) + 20
        except MediaError as error:
            found.append(type(error))
        heard.append(found)
    assert heard[0] == heard[1]


def demuxed_packets(content: bytes) -> None:
    """Nothing but CodecError; no unit holds more than was sent; an intact picture comes out whole at the end."""
    given = Input(content)
    codec = CODECS[given.number() % len(CODECS)]
    units: list[AccessUnit] = []
    taker = packet_units(codec, given.take(given.number()), units.append)
    sent = packets = 0
    for number, packet in enumerate(given.records()):
        sent, packets = sent + len(packet), packets + 1
        with suppress(CodecError):
            taker.push(packet, 3600 * (number // 2), number % 3 == 2)
    with suppress(CodecError):
        taker.finish()
    # A NAL unit of one byte behind a start code of three takes four bytes of length more.
    assert sum(len(unit.nals) for unit in units) <= 2 * sent + 8 * packets
