"""RTP packets: order, loss, foreign and malformed ones."""

from __future__ import annotations

import pytest

from media.errors import CodecError, RtpError
from media.rtp import SSRC_CHANGE_PACKETS, RtpReceiver, write_header
from tests.builders_h264 import packet

Pushed = tuple[bytes, int, bool, int]


class Track:
    """A receiver, and what it handed on: payload, timestamp, marker, lost."""

    def __init__(self, ssrc: int | None = None) -> None:
        self.pushed: list[Pushed] = []
        self.refuse = False
        self.receiver = RtpReceiver(96, self, ssrc)

    def push(  # noqa: PLR0917 - the interface
        self, buffer: bytes | bytearray | memoryview, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """As a depacketizer."""
        self.pushed.append((bytes(buffer[start:end]), timestamp, marker, lost))
        if self.refuse:
            raise CodecError("unusable")

    def receive(self, *packets: bytes) -> None:
        """One after the other, amid other bytes."""
        for each in packets:
            self.receiver.receive(bytearray(b"?" + each + b"??"), 1, 1 + len(each))

    @property
    def payloads(self) -> list[bytes]:
        """Just those."""
        return [payload for payload, *_ in self.pushed]

    @property
    def lost(self) -> list[int]:
        """How many were missing before each."""
        return [lost for *_, lost in self.pushed]


def test_a_header_is_written_as_the_rfc_has_it() -> None:
    """12 bytes; numbers that ran over wrap."""
    assert write_header(0x1ABCD, 0x1_00000005, 0xDEADBEEF, 96, marker=True).hex() == "80e0abcd00000005deadbeef"


def test_packets_in_order_are_handed_on() -> None:
    """Payload, timestamp and marker; counted."""
    track = Track()
    track.receive(packet(b"a", 5, 100), packet(b"bc", 6, 100, marker=True), packet(b"", 7, 4_000_000_000))
    assert track.pushed == [(b"a", 100, False, 0), (b"bc", 100, True, 0), (b"", 4_000_000_000, False, 0)]
    receiver = track.receiver
    assert (receiver.packets, receiver.octets, receiver.lost_packets, receiver.ssrc) == (3, 3, 0, 7)


def test_sequence_numbers_wrap() -> None:
    """65535 is followed by 0."""
    track = Track()
    track.receive(*(packet(b"x", number) for number in (65534, 65535, 0, 1)))
    assert track.lost == [0, 0, 0, 0]


@pytest.mark.parametrize(("numbers", "lost"), [((1, 3), 1), ((65530, 4), 9), ((0, 0x8000), 0x7FFF)])
def test_a_gap_is_loss(numbers: tuple[int, int], lost: int) -> None:
    """Counted, and told with the packet after it (quirk R2)."""
    track = Track()
    track.receive(*(packet(b"x", number) for number in numbers))
    assert track.lost == [0, lost]
    assert track.receiver.lost_packets == lost


def test_a_late_or_repeated_packet_is_dropped() -> None:
    """The stream goes on where it was."""
    track = Track()
    track.receive(*(packet(bytes([number]), number) for number in (10, 11, 11, 9, 12)))
    assert track.payloads == [b"\x0a", b"\x0b", b"\x0c"]
    assert (track.receiver.late_packets, track.receiver.lost_packets) == (2, 0)


def test_two_numbers_in_a_row_from_the_past_are_a_restart() -> None:
    """RFC 3550 A.1; some loss is declared, since what was missed is unknown."""
    track = Track()
    track.receive(*(packet(b"x", number) for number in (40000, 40001, 20000, 20001, 20002)))
    assert track.lost == [0, 0, 1, 0]
    assert (track.receiver.late_packets, track.receiver.lost_packets) == (1, 1)


def test_two_late_packets_far_apart_are_no_restart() -> None:
    """Only in a row they are."""
    track = Track()
    track.receive(*(packet(b"x", number) for number in (50, 51, 20, 52, 53, 21, 54)))
    assert track.lost == [0, 0, 0, 0, 0]
    assert track.receiver.late_packets == 2


def test_another_payload_type_does_not_count() -> None:
    """Geovision sends type 50 after each sync sample, with the number of the packet before (quirk R1)."""
    track = Track()
    track.receive(packet(b"a", 1), packet(b"?", 1, payload_type=50), packet(b"b", 2))
    assert track.payloads == [b"a", b"b"]
    assert (track.receiver.foreign_packets, track.receiver.late_packets) == (1, 0)


def test_another_source_on_the_channel_is_dropped() -> None:
    """Reolink RLC-410: two SSRCs with their own numbers (quirk I5). The first one seen counts."""
    track = Track()
    for number in range(300):
        track.receive(packet(b"a", number), packet(b"b", 7 * number & 0xFFFF, ssrc=8))
    assert set(track.payloads) == {b"a"}
    assert (track.receiver.packets, track.receiver.foreign_packets, track.receiver.ssrc) == (300, 300, 7)


def test_another_source_is_told_apart_by_nothing_but_its_ssrc() -> None:
    """Its number may be the very next one."""
    track = Track()
    track.receive(packet(b"a", 1), packet(b"?", 2, ssrc=8), packet(b"b", 2))
    assert track.payloads == [b"a", b"b"]


def test_a_promised_source_counts_from_the_start() -> None:
    """A stale session may come first."""
    track = Track(ssrc=8)
    track.receive(packet(b"a", 1, ssrc=7), packet(b"b", 1, ssrc=8))
    assert track.payloads == [b"b"]


def test_a_source_that_changes_its_ssrc_is_followed() -> None:
    """Once the old one has fallen silent; what was missed is declared as loss. Promises are broken likewise."""
    track = Track(ssrc=7)
    track.receive(packet(b"a", 1), packet(b"?", 5, ssrc=9))
    track.receive(*(packet(b"b", number, ssrc=8) for number in range(1000, 1000 + SSRC_CHANGE_PACKETS + 1)))
    assert track.payloads == [b"a", b"b", b"b"]
    assert track.lost == [0, 1, 0]
    assert track.receiver.ssrc == 8


HEADER = write_header(2, 0, 7, 96, marker=False)


@pytest.mark.parametrize(
    ("first", "rest", "payload"),
    [
        (0x82, bytes(8) + b"x", b"x"),  # two CSRC
        (0x90, b"\xbe\xde\x00\x01" + bytes(4) + b"x", b"x"),  # an extension of one word
        (0x90, b"\xbe\xde\x00\x00x", b"x"),  # an empty extension
        (0x91, bytes(4) + b"\xbe\xde\x00\x01" + bytes(4) + b"x", b"x"),  # both
        (0xA0, b"x\x00\x00\x03", b"x"),  # padding
        (0xA0, b"\x01", b""),  # only padding
        (0xB0, b"\xbe\xde\x00\x00x\x01", b"x"),  # extension and padding
    ],
)
def test_the_payload_is_found_behind_optional_fields(first: int, rest: bytes, payload: bytes) -> None:
    """CSRC list, header extension, padding (quirk R5)."""
    track = Track()
    track.receive(packet(b"a", 1), bytes([first]) + HEADER[1:] + rest, packet(b"b", 3))
    assert track.payloads == [b"a", payload, b"b"]
    assert track.receiver.malformed_packets == 0


@pytest.mark.parametrize(
    ("first", "rest", "problem"),
    [
        (0x82, bytes(7), "longer than its packet"),
        (0x90, b"\xbe\xde\x00", "extension outside"),
        (0x90, b"\xbe\xde\x00\x02" + bytes(4), "longer than its packet"),
        (0x90, b"\xbe\xde\xff\xff" + bytes(40), "longer than its packet"),
        (0xA0, b"x\x00", "0 bytes of padding"),
        (0xA0, b"x\x03", "3 bytes of padding"),
        (0xA0, b"", "0 bytes of padding"),
    ],
)
def test_fields_that_do_not_fit_their_packet_are_damage(first: int, rest: bytes, problem: str) -> None:
    """The packet counts as lost at its own time, the stream goes on (quirk R5)."""
    track = Track()
    track.receive(packet(b"a", 1), bytes([first]) + HEADER[1:] + rest, packet(b"b", 3))
    assert track.pushed == [(b"a", 0, False, 0), (b"", 0, False, 1), (b"b", 0, False, 0)]
    assert track.receiver.malformed_packets == 1
    assert isinstance(track.receiver.last_error, RtpError)
    assert problem in str(track.receiver.last_error)


def test_a_payload_that_is_refused_does_not_end_the_stream() -> None:
    """It is counted, and the reason kept."""
    track = Track()
    track.receive(packet(b"a", 1))
    track.refuse = True
    track.receive(packet(b"b", 2), packet(b"c", 4))
    track.refuse = False
    track.receive(packet(b"d", 5))
    assert track.payloads == [b"a", b"b", b"c", b"d"]
    assert track.receiver.malformed_packets == 2
    assert str(track.receiver.last_error) == "unusable"


@pytest.mark.parametrize("content", [b"", HEADER[:11], bytes(12), b"\x40" + HEADER[1:], b"\xc0" + HEADER[1:]])
def test_what_is_no_rtp_at_all_is_an_error(content: bytes) -> None:
    """Then the framing of the connection cannot be trusted."""
    track = Track()
    with pytest.raises(RtpError, match="RTP packet of"):
        track.receive(content)
