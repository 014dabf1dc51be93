"""What cameras do to sound, through the whole client: frames in the spool as they were sent, beside every picture.

Each case is named after its quirk in docs/quirks.md. Every way to lose a part of an AU is in tests/unit/media.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from media.aac import packetize_aac
from media.errors import GapReason
from media.moof import TRACK_ID
from media.rtp import write_header
from tests.builders_audio import AAC, PCMU, au
from tests.builders_h264 import frame
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import SDP, SESSION, Film, Turn, conversation, described, filmed, ok

Packets = list[bytes]


@dataclass(frozen=True)
class Case:
    """A description, and the payloads that are sent beside each picture: the sound in them, packet by packet."""

    name: str
    section: str
    send: Callable[[bytes], Packets]
    """The payloads of some bytes of sound."""
    size: int = 200
    ticks: int = 1024
    """Of the sound's clock, from one packet to the next."""
    rate: int = 16_000


CASES = [
    Case(
        "A1 Reolink: a semicolon at the end, names in any case",
        AAC.replace("sizelength", "SizeLength") + ";",
        lambda f: [au(f)],
    ),
    Case("A2 an AU in fragments", AAC, lambda f: packetize_aac([f], 90)),
    Case("A3 two AUs in a packet", AAC, lambda f: [au(f[:100], f[100:])], ticks=2048),
    Case(
        "A4 44.1 kHz, two channels",
        AAC.replace("16000/1", "44100/2").replace("1408", "1210"),
        lambda f: [au(f)],
        rate=44_100,
    ),
    Case("A7 G.711 in packets of 384", PCMU, lambda f: [f], size=384, ticks=384, rate=8_000),
]


def _talking(section: str) -> tuple[Turn, ...]:
    """A camera whose sound comes on channels 2 and 3."""
    setups = [
        Turn("^SETUP [^ ]*track1 ", ok("Transport: RTP/AVP/TCP;unicast;interleaved=0-1", SESSION)),
        Turn("^SETUP [^ ]*audio ", ok("Transport: RTP/AVP/TCP;unicast;interleaved=2-3", SESSION)),
    ]
    return conversation(describe=described(f"{SDP}{section}\na=control:audio\n"), setup=setups)


def _stored_sound(film: Film) -> bytes:
    """All of it, in order."""
    found = b""
    for file, scan in zip(film.rig.spool.files, film.scans(), strict=True):
        for fragment in scan.fragments:
            if fragment.commit.track != TRACK_ID:
                found += bytes(file.content[fragment.data_offset :][: fragment.data_bytes])
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_frame_of_sound_is_stored_as_it_was_sent(case: Case) -> None:
    """With every picture, and no damage."""
    sent, sequence, number = b"", 0, 0
    payload_type = int(case.section.split("AVP ")[1].split()[0])
    async with filmed(_talking(case.section), audio=True) as film:
        for picture in range(60):
            heard = []
            while number * case.ticks * 25 <= (picture - 5) * case.rate:  # none from before the pictures
                frame_of_sound = bytes((number + 1,)) * case.size
                sent += frame_of_sound
                payloads = case.send(frame_of_sound)
                for payload in payloads:
                    marker = payload is payloads[-1]
                    header = write_header(sequence, number * case.ticks, 9, payload_type, marker=marker)
                    heard.append(frame(2, header + payload))
                    sequence += 1
                number += 1
            await film.play_packets([*film.packets(), *heard])
    assert numbers(film.record()) == list(range(60))
    assert _stored_sound(film) == sent
    assert (film.damage(), film.gap_reasons()) == (0, [GapReason.SHUTDOWN])


REFUSED = {
    "A5 the clock is not the sampling rate": (AAC.replace("16000/1", "8000/1"), "RTP clock of 8000"),
    "A6 HE-AAC": (AAC.replace("1408", "2c0a8800"), "HE-AAC"),
    "A6 LATM": ("m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/16000/1", "LATM"),
    "A8 Dahua: G.723.1": ("m=audio 0 RTP/AVP 99\na=rtpmap:99 G723.1/8000", "G.723.1"),
}


@pytest.mark.parametrize(("section", "words"), REFUSED.values(), ids=REFUSED)
async def test_sound_that_cannot_be_recorded_costs_no_picture(section: str, words: str) -> None:
    """The camera's state says what is wrong with it."""
    async with filmed(_talking(section), audio=True) as film:
        await film.play(30)
        assert words in str(film.rig.recorder.state()["detail"])
    assert numbers(film.record()) == list(range(30))
    assert film.gap_reasons() == [GapReason.SHUTDOWN]
