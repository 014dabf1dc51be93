"""Sound that is known frame by frame, and what becomes of it on its way."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from media.audio_codecs import choose_audio
from media.errors import ConfigError
from media.rtcp import parse_sender_report
from media.sdp import parse
from simulator.conditions import Conditions
from simulator.faults import make_fault
from simulator.microphone import Microphone, SoundTrack
from simulator.options import SimulatorOptions
from simulator.rtp_stream import RtpStream
from simulator.seed import chance
from simulator.sound import LAP_US, SOUNDS, make_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit
    from simulator.pacer import Paced
    from simulator.sent_log import SentFrame

NOW_US = 1_800_000_000_000_000
OPENING = 2_208_988_800  # seconds from 1900 to 1970


@pytest.mark.parametrize("name", SOUNDS)
def test_no_two_frames_of_a_lap_are_alike_and_each_comes_out_as_it_went_in(name: str) -> None:
    """A CRC tells which one it is, today and in another process; a receiver gets exactly these bytes."""
    reel = make_sound(name)
    assert reel == make_sound(name)
    assert len(set(reel.crcs)) == len(reel.frames) == LAP_US // reel.frame_us
    fmtp = f"a=fmtp:{reel.payload_type} {reel.fmtp}\r\n" if reel.fmtp else ""
    offer = f"v=0\r\nm=audio 0 RTP/AVP {reel.payload_type}\r\na=rtpmap:{reel.payload_type} {reel.rtpmap}\r\n{fmtp}"
    units: list[AccessUnit] = []
    chosen = choose_audio(parse(offer).media, units.append)
    assert chosen is not None
    for number, payload in enumerate(reel.payloads):
        chosen[1].push(payload, 0, len(payload), number * reel.frame_ticks, True, 0)
    assert tuple(zlib.crc32(unit.nals) for unit in units) == reel.crcs
    assert {unit.duration_ticks for unit in units} == {reel.frame_ticks}


def test_the_beep_is_at_the_full_second() -> None:
    """Of a lap that lies on full seconds of the camera's clock."""
    codec = av.CodecContext.create("pcm_alaw", "r")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout = 8000, "mono"
    samples = np.abs(codec.decode(av.Packet(b"".join(make_sound("pcma").frames)))[0].to_ndarray()[0].astype(int))
    loud = np.flatnonzero(samples > 4000)
    begins = loud[np.diff(loud, prepend=-8000) > 4000]
    assert [round(at / 8000, 3) for at in begins] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_another_sound_is_refused_by_name() -> None:
    """Before anything starts."""
    with pytest.raises(ConfigError, match="audio 'mp3': simulated cameras have aac, opus, pcma, pcmu"):
        SimulatorOptions(audio="mp3")


@dataclass
class Stage:
    """A microphone with one session, a clock that is set, and what went out."""

    now_us: int = NOW_US
    sent: list[SentFrame] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    garbled: bool = False
    transport: str = ""

    def __post_init__(self) -> None:
        self.reel = make_sound("pcmu")
        self.microphone = Microphone("gate", self.reel, self, self, self.sent.append)  # type: ignore[arg-type]
        self.track = SoundTrack(7, RtpStream(chance(0), self.reel.payload_type), self, lambda: self.garbled)  # type: ignore[arg-type]
        self.conditions = Conditions("gate", 0, self)  # type: ignore[arg-type]
        self.microphone.conditions = self.conditions
        self.microphone.start(self.track)

    def wall_us(self) -> int:
        """The cameras' time."""
        return self.now_us

    def add(self, _camera: Paced, due_us: int) -> None:
        """The pacer's: nothing here fires by itself."""
        assert due_us >= self.now_us

    def send(self, packets: Sequence[bytes]) -> None:
        """The carrier's."""
        assert len(self.sent) > len({packet[2:4] for packet in self.packets})  # the log came first
        self.packets += packets

    def control(self, packet: bytes) -> None:
        """The carrier's, of reports."""
        self.reports.append(packet)

    def run(self, seconds: float) -> None:
        """Time passes."""
        until_us = self.now_us + round(seconds * 1_000_000)
        due_us = self.microphone.fire(self.now_us)
        while due_us is not None and due_us < until_us:
            self.now_us = max(self.now_us, due_us)
            due_us = self.microphone.fire(self.now_us)
        self.now_us = until_us


def test_frames_are_sent_when_they_were_heard_and_reports_say_when_that_was() -> None:
    """Numbers rise by one; the reports tie the clock on the wall to what was heard then."""
    stage = Stage()
    stage.run(6)
    numbers = [frame.frame for frame in stage.sent]
    assert numbers == [*range(numbers[0], numbers[0] + 300)]
    assert all(frame.sent_us == (frame.frame + 1) * 20_000 for frame in stage.sent)
    assert {frame.spoiled for frame in stage.sent} == {False}
    assert [zlib.crc32(packet[12:]) for packet in stage.packets] == [frame.crc32 for frame in stage.sent]
    assert len(stage.reports) == 2
    first = int.from_bytes(stage.packets[0][4:8], "big")
    for packet in stage.reports:
        report = parse_sender_report(packet, 0, len(packet))
        assert report is not None
        told_us = ((report.ntp >> 32) - OPENING) * 1_000_000 + ((report.ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
        heard_ticks = (told_us - numbers[0] * 20_000) * 8 // 1000
        assert abs((report.rtp_timestamp - first) % (1 << 32) - heard_ticks) <= 1


def test_lost_packets_are_lost_and_the_log_says_so() -> None:
    """As a network loses them: their numbers are missing."""
    stage = Stage()
    stage.conditions.begin(make_fault("loss", {"percent": 20}))
    stage.run(10)
    whole = [frame.crc32 for frame in stage.sent if not frame.spoiled]
    assert [zlib.crc32(packet[12:]) for packet in stage.packets] == whole
    assert 300 < len(whole) < 470
    assert len(stage.sent) == 500


def test_doubled_packets_are_whole() -> None:
    """Both of one number."""
    stage = Stage()
    stage.conditions.begin(make_fault("duplicate", {"percent": 100}))
    stage.run(1)
    assert stage.packets[::2] == stage.packets[1::2]
    assert not any(frame.spoiled for frame in stage.sent)


@pytest.mark.parametrize("fault", ["stall", "silence", "off", "trickle"])
def test_a_camera_that_is_mute_or_slow_sends_no_sound(fault: str) -> None:
    """And goes on with what is heard by then."""
    stage = Stage()
    stage.run(1)
    begun = make_fault(fault, {})
    stage.conditions.begin(begun)
    stage.run(2)
    assert len(stage.sent) == 50
    stage.conditions.end(begun)
    stage.run(1)
    assert stage.sent[50].frame == stage.sent[49].frame + 101
    assert len(stage.packets) == len(stage.sent) == 100


def test_what_follows_garbage_on_a_connection_may_not_arrive() -> None:
    """The pictures' carrier says so."""
    stage = Stage(garbled=True)
    stage.run(0.1)
    assert {frame.spoiled for frame in stage.sent} == {True}


def test_a_process_that_was_held_does_not_catch_up() -> None:
    """It goes on with what is heard then, as with pictures."""
    stage = Stage()
    stage.run(1)
    stage.now_us += 3_000_000
    stage.run(1)
    assert stage.sent[50].sent_us >= NOW_US + 4_000_000
    assert len(stage.sent) in {99, 100, 101}


def test_nobody_listens_nothing_is_sent() -> None:
    """And the pacer is told so."""
    stage = Stage()
    stage.microphone.stop(stage.track)
    assert stage.microphone.fire(stage.now_us) is None
    stage.microphone.stop(stage.track)
    assert stage.sent == []
