"""The messages of the live socket, both ways."""

from __future__ import annotations

from uuid import UUID

import pytest

from media.errors import MediaError
from media.h264_parameters import ParameterSets
from media.live_wire import (
    HEADER,
    MOST_BODY_BYTES,
    EndCode,
    LiveEnd,
    LiveUnit,
    end_message,
    read_header,
    read_message,
    read_request,
    request,
    track_message,
    unit_header,
)
from media.track import Track

STREAM = UUID(int=0x1234)


def track() -> Track:
    """A camera's."""
    sets = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
    assert sets is not None
    return sets.track()


def read(message: bytes) -> object:
    """A whole message."""
    length, kind = read_header(message[: HEADER.size])
    assert length == len(message) - HEADER.size
    return read_message(kind, message[HEADER.size :])


def test_a_request_names_its_stream() -> None:
    """The bytes are part of the format."""
    assert request(STREAM) == b"hulta-live\x01" + bytes(14) + b"\x12\x34"
    assert read_request(request(STREAM)) == STREAM


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n" + bytes(9), b"hulta-live\x02" + bytes(16)])
def test_what_is_no_request_of_this_version_is_refused(sent: bytes) -> None:
    """With a sentence."""
    with pytest.raises(MediaError, match="version 1"):
        read_request(sent)


def test_a_track_is_what_it_was() -> None:
    """Sample entry and all."""
    assert read(track_message(track())) == track()


@pytest.mark.parametrize("sync", [True, False])
def test_a_unit_is_what_it_was(sync: bool) -> None:
    """Its bytes follow the header, and are not part of it."""
    payload = b"\0\0\0\2\x65\x88"
    header = unit_header(len(payload), 0xFFFFFFFE, 1_800_000_000_000_001, sync=sync, damaged=not sync, earlier=sync)
    assert read(header + payload) == LiveUnit(
        payload=payload,
        rtp_timestamp=0xFFFFFFFE,
        arrival_us=1_800_000_000_000_001,
        sync=sync,
        damaged=not sync,
        earlier=sync,
    )


def test_an_end_says_why() -> None:
    """In words, too."""
    assert read(end_message(EndCode.TOO_MANY, "so viele — zu viele")) == LiveEnd(code=3, sentence="so viele — zu viele")


def test_kinds_and_tracks_of_a_later_version_are_passed_over() -> None:
    """A later recorder may send sound as well."""
    assert read_message(9, b"whatever") is None
    assert read_message(2, b"\1" + bytes(20)) is None


@pytest.mark.parametrize(("kind", "body"), [(1, b""), (1, bytes(10)), (2, b"\0\0"), (3, b""), (3, b"\1\xff")])
def test_torn_messages_are_declared_errors(kind: int, body: bytes) -> None:
    """And nothing else."""
    with pytest.raises(MediaError):
        read_message(kind, body)


def test_a_body_longer_than_any_is_not_read() -> None:
    """What follows would be a buffer of its size."""
    with pytest.raises(MediaError, match="bytes on the live socket"):
        read_header(HEADER.pack(MOST_BODY_BYTES + 1, 2))
