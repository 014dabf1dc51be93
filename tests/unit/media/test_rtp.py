"""RTP packets: order, loss, foreign and malformed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from media.errors import CodecError, RtpError
from media.h264 import H264Depacketizer
from media.held_packets import HELD_BYTES, SILENT_TICKS
from media.rtp import RtpReceiver, write_header
from tests.builders_h264 import packet

if TYPE_CHECKING:
    from media.access_unit import AccessUnit

Pushed = tuple[bytes, int, bool, int]


class Track:
    """A receiver, and what it handed on: payload, timestamp, marker, lost."""

    def __init__(self, ssrc: int | None = None) -> None:
        self.pushed: list[Pushed] = []
        self.refuse = False
        self.timestamp = self.latest = -1
        self.parts = 0
        self.receiver = RtpReceiver(96, self, ssrc)

    def push(  # noqa: PLR0917 - the interface
        self, buffer: bytes | bytearray | memoryview, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """As a depacketizer."""
        self.pushed.append((bytes(buffer[start:end]), timestamp, marker, lost))
        self.timestamp = self.latest = timestamp
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
    """RFC 3550 A.1; some loss is declared, since what was missed is unknown, and nothing that came is left out."""
    track = Track()
    numbers = (40000, 40001, 20000, 20001, 20002)
    track.receive(*(packet(bytes([number & 255]), number) for number in numbers))
    assert track.payloads == [bytes([number & 255]) for number in numbers]
    assert track.lost == [0, 0, 1, 0, 0]
    assert (track.receiver.late_packets, track.receiver.lost_packets) == (0, 1)


@pytest.mark.parametrize("numbers", [(10, 11, 10, 11, 12), (10, 13, 11, 12, 14), (10, 11, 12, 13, 10, 11, 12, 13, 14)])
def test_repeated_and_overtaken_packets_are_no_restart(numbers: tuple[int, ...]) -> None:
    """Two of them in a row neither: what was repeated costs nothing, what was overtaken only itself."""
    track = Track()
    track.receive(*(packet(bytes([number]), number) for number in numbers))
    once = sorted(set(numbers) - ({11, 12} if numbers[1] == 13 else set()))
    assert track.payloads == [bytes([number]) for number in once]
    assert sum(track.lost) == (2 if numbers[1] == 13 else 0)


@pytest.mark.parametrize("back", [1, 2, 15, 99])
def test_old_numbers_with_new_timestamps_are_a_restart(back: int) -> None:
    """The numbers repeat, or nearly: nothing that was sent once is a repetition of anything."""
    track = Track()
    track.receive(*(packet(b"a", number, 100) for number in range(200)))
    track.receive(*(packet(b"b", number, 3700) for number in range(200 - back, 260)))
    assert track.payloads == [b"a"] * 200 + [b"b"] * (60 + back)
    assert sum(track.lost) == 1


def test_the_last_number_with_an_older_timestamp_is_no_repetition() -> None:
    """A B-frame is shown before the one sent before it; a repeated packet has the timestamp of the one it repeats."""
    track = Track()
    track.receive(packet(b"P", 10, 7200), packet(b"B", 10, 3600), packet(b"b", 11, 3600), packet(b"b", 11, 3600))
    assert track.payloads == [b"P", b"B", b"b"]
    assert track.lost == [0, 1, 0]


def test_a_picture_that_is_shown_late_is_a_repetition_when_it_comes_again() -> None:
    """Behind a B-frame that is shown before it, the packet of a P-frame seems to be of a later instant: it is not."""
    units: list[AccessUnit] = []
    receiver = RtpReceiver(96, H264Depacketizer(units.append))
    sent = [packet(b"\x41\x9a" + bytes([n]), n, ticks, marker=True) for n, ticks in enumerate([0, 10800, 3600, 7200])]
    for each in (*sent[:3], sent[1], sent[1], sent[3]):
        receiver.receive(each, 0, len(each))
    assert [unit.rtp_timestamp for unit in units] == [0, 10800, 3600, 7200]
    assert (receiver.late_packets, receiver.lost_packets) == (2, 0)


def test_a_clock_that_went_back_does_not_hide_a_restart() -> None:
    """What was the latest instant is measured by the clock as it runs now."""
    units: list[AccessUnit] = []
    receiver = RtpReceiver(96, H264Depacketizer(units.append))
    for number, ticks in ((500, 90_000_000), (501, 0), (480, 3600), (481, 7200)):
        each = packet(b"\x41\x9a", number, ticks, marker=True)
        receiver.receive(each, 0, len(each))
    assert [unit.rtp_timestamp for unit in units] == [90_000_000, 0, 3600, 7200]


def test_a_source_that_counts_a_little_back_is_followed() -> None:
    """By fewer numbers than packets may be overtaken: it takes more of them to see it, and none is left out."""
    track = Track()
    track.receive(packet(b"a", 500), *(packet(b"b", number) for number in range(450, 480)))
    assert len(track.payloads) == 31
    assert sum(track.lost) == 1


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


@pytest.mark.parametrize("packets_a_frame", [1, 20])
def test_a_source_that_changes_its_ssrc_is_followed_from_its_first_packet(packets_a_frame: int) -> None:
    """Once the old one is silent for 0.4 s. What was missed is declared as one packet; none that came is left out."""
    track = Track(ssrc=7)
    track.receive(packet(b"a", 1))
    frames = SILENT_TICKS // 3600 + 1
    sent = [
        packet(bytes([n & 255]), 1000 + n, n // packets_a_frame * 3600, ssrc=8) for n in range(frames * packets_a_frame)
    ]
    track.receive(*sent)
    assert track.payloads == [b"a", *(bytes([n & 255]) for n in range(len(sent)))]
    assert track.lost == [0, 1, *[0] * (len(sent) - 1)]
    assert (track.receiver.ssrc, track.receiver.foreign_packets) == (8, 0)


def test_a_new_source_is_believed_before_its_packets_take_too_much_memory() -> None:
    """Its clock may stand still, and its packets may be large or empty."""
    for size in (0, 60_000):
        track = Track()
        track.receive(packet(b"a", 1))
        count = 0
        while track.receiver.ssrc == 7:
            track.receive(packet(bytes(size), 1000 + count, ssrc=8))
            count += 1
        assert count * (size + 64) < HELD_BYTES + 2 * 60_100
        assert len(track.payloads) == 1 + count


def test_a_burst_of_a_neighbour_is_no_change_of_source() -> None:
    """A large picture of the other stream on the channel, hundreds of packets between two of ours; later a second."""
    track = Track()
    for second in range(2):
        track.receive(packet(b"a", second))
        track.receive(*(packet(b"b", number + 500 * second, 77, ssrc=8) for number in range(500)))
    track.receive(packet(b"a", 2))
    assert set(track.payloads) == {b"a"}
    assert track.receiver.foreign_packets == 1000


def test_a_neighbour_is_followed_when_it_alone_goes_on() -> None:
    """After four seconds, and every packet dropped till then is declared."""
    track = Track()
    track.receive(packet(b"a", 1), packet(b"b", 1, -18_000, ssrc=8), packet(b"a", 2))
    track.receive(*(packet(b"b", number, (number - 2) * 3600, ssrc=8) for number in range(2, 130)))
    assert track.payloads == [b"a", b"a", *[b"b"] * 28]
    assert track.lost[2] == 101


def test_a_source_that_changes_is_no_neighbour_for_packets_that_it_overtook() -> None:
    """Nothing is lost but what cannot be known: one packet, where the numbers do not go on."""
    track = Track()
    track.receive(packet(b"a", 1), packet(b"b", 501, 3600, ssrc=8), packet(b"a", 2), packet(b"b", 500, 3600, ssrc=8))
    track.receive(packet(b"a", 3))
    track.receive(*(packet(b"b", number, (number - 500) * 3600, ssrc=8) for number in range(502, 530)))
    assert track.payloads == [b"a"] * 3 + [b"b"] * 30
    assert track.lost == [0, 0, 0, 1, *[0] * 29]
    assert track.receiver.foreign_packets == 0


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


@pytest.mark.parametrize("content", [HEADER[:11], bytes(12), b"\x40" + HEADER[1:], b"\xc0" + HEADER[1:]])
def test_what_is_no_rtp_at_all_is_an_error_the_third_time(content: bytes) -> None:
    """Then the framing of the connection cannot be trusted; packets between say that it can (quirk I4)."""
    track = Track()
    for sequence in range(5):
        track.receive(content, content, packet(b"x", sequence))
    assert len(track.payloads) == 5
    assert (track.receiver.malformed_packets, track.receiver.lost_packets) == (10, 0)
    track.receive(content, content)
    with pytest.raises(RtpError, match=r"3 packets in a row.*RTP packet of"):
        track.receive(content)


def test_empty_packets_are_not_counted_against_the_camera() -> None:
    """They only show that it is there."""
    track = Track()
    track.receive(*[b""] * 50, packet(b"x", 1))
    assert track.payloads == [b"x"]
    assert (track.receiver.foreign_packets, track.receiver.malformed_packets) == (50, 0)
