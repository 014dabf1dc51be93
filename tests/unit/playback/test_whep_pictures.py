"""Live frames as RTP payloads: the camera's bytes, in an order and at times that a browser can live with."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from uuid import UUID

from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets
from media.live_wire import LiveUnit
from media.nal import AUD, join_length_prefixed, split_length_prefixed
from media.rtp import RtpReceiver, write_header
from playback.live_camera import LiveCamera
from playback.live_counts import LiveCounts
from playback.live_muxer import LiveFrame, LiveMuxer
from playback.whep import MOST_HURRY_US, LivePictures
from playback.whep_pictures import HURRIED_TICKS, PAYLOAD_BYTES, PictureSender, parameter_sets
from storage.clock import FakeClock
from tests.builders_playback import TICKS, film

LOUD = film(25, gop=25, size=(640, 480), jitter_ticks=0)


def frames(*, without: set[int] = frozenset()) -> list[LiveFrame]:
    """The film as it comes from the muxer, without NAL units of these types."""
    muxer = LiveMuxer()
    muxer.describe(LOUD.track)
    made = []
    for number, unit in enumerate(LOUD.units):
        nals = [nal for nal in split_length_prefixed(unit.nals) if nal[0] & 0x1F not in without]
        frame = muxer.frame(
            LiveUnit(
                payload=bytes(join_length_prefixed(nals)),
                rtp_timestamp=unit.pts_ticks,
                arrival_us=1_800_000_000_000_000 + number * 40_000,
                sync=unit.sync,
                damaged=False,
                earlier=False,
            )
        )
        assert frame is not None
        made.append(frame)
    return made


def received(pictures: list[list[bytes]]) -> list[list[bytes]]:
    """The NAL units of each access unit, as our own depacketizer puts them together again."""
    units: list[list[bytes]] = []
    receiver = RtpReceiver(96, H264Depacketizer(lambda unit: units.append(split_length_prefixed(unit.nals)), None))
    number = 0
    for place, payloads in enumerate(pictures):
        for payload in payloads:
            last = payload is payloads[-1]
            packet = bytearray(write_header(number, place * TICKS, 7, 96, marker=last) + payload)
            receiver.receive(packet, 0, len(packet))
            number += 1
    return units


def test_what_is_sent_is_what_the_camera_sent() -> None:
    """Every NAL unit, whole; the delimiter before each picture is left out, which WebRTC has no use for."""
    sender = PictureSender()
    pictures = [sender.picture(frame, frame, 0).payloads for frame in frames()]
    assert max(len(payload) for payloads in pictures for payload in payloads) <= PAYLOAD_BYTES
    wanted = [[nal for nal in split_length_prefixed(unit.nals) if nal[0] & 0x1F != AUD] for unit in LOUD.units]
    assert received(pictures)[:24] == wanted[:24]


def test_parameter_sets_stand_before_each_idr_picture() -> None:
    """Also where the camera sends them in its description only."""
    sets = ParameterSets.from_nals(split_length_prefixed(LOUD.units[0].nals))
    assert sets is not None
    assert parameter_sets(LOUD.track.sample_entry) == [*sets.sps, *sets.pps]
    sender = PictureSender()
    first, second, *_ = received([sender.picture(frame, frame, 0).payloads for frame in frames(without={7, 8})[:3]])
    assert first[:2] == [*sets.sps, *sets.pps]
    assert not {nal[0] & 0x1F for nal in second} & {7, 8}


def test_pictures_of_before_are_run_through() -> None:
    """Their times are a millisecond apart, however long ago they were taken, and end where the present begins."""
    sender = PictureSender()
    made = frames()
    stamps = [sender.picture(frame, made[19], max(0, 19 - number)).timestamp for number, frame in enumerate(made)]
    assert [later - earlier for earlier, later in pairwise(stamps[:20])] == [HURRIED_TICKS] * 19
    assert stamps[19:] == [frame.pts_ticks for frame in made[19:]]


def test_what_came_while_others_were_run_through_is_run_through_too() -> None:
    """The present has moved on: times do not go back for that, and are the pictures' own in the end."""
    sender = PictureSender()
    made = frames()
    first = [sender.picture(frame, made[9 + number], 9).timestamp for number, frame in enumerate(made[:10])]
    rest = [sender.picture(frame, made[19], 19 - number).timestamp for number, frame in enumerate(made[10:20], 10)]
    assert sorted({*first, *rest}) == first + rest
    assert rest[-1] == made[19].pts_ticks


def test_what_is_sent_again_is_sent_later() -> None:
    """A viewer that lost the picture gets the group again; its time does not run backwards for that."""
    sender = PictureSender()
    made = frames()
    before = [sender.picture(frame, frame, 0).timestamp for frame in made[:20]]
    again = [sender.picture(frame, made[19], 19 - number).timestamp for number, frame in enumerate(made[:20])]
    assert again[0] > before[-1]
    assert again == sorted(set(again))
    assert sender.picture(made[20], made[20], 0).timestamp == made[20].pts_ticks


class Impatient(FakeClock):
    """While it is slept, a viewer may complain."""

    complain_after_us = 0
    pictures: LivePictures

    async def sleep(self, seconds: float) -> None:
        """As long as it takes, and a complaint."""
        self.advance(round(seconds * 1_000_000) + self.complain_after_us)
        self.pictures.lost()


async def test_a_complaint_while_the_group_is_sent_begins_it_again_only_if_that_takes_too_long() -> None:
    """Or it would never end: browsers complain a few times a second until they see something."""
    clock = Impatient()
    camera = LiveCamera(Path("none"), UUID(int=1), clock, 1 << 24)
    made = frames()
    for frame in made:
        camera.ring.append(frame, len(frame.fragment), sync=frame.sync)
    clock.pictures = LivePictures(camera, clock, LOUD.track.codec, LiveCounts())
    wanted = [PictureSender().picture(frame, frame, 0).payloads for frame in made]
    assert [(await clock.pictures.next()).payloads for _ in made[:10]] == wanted[:10]
    clock.complain_after_us = MOST_HURRY_US
    assert (await clock.pictures.next()).payloads == wanted[10]
    clock.complain_after_us = 0
    assert [(await clock.pictures.next()).payloads for _ in made] == wanted
    clock.complain_after_us = MOST_HURRY_US
    camera.ring.append(made[0], len(made[0].fragment), sync=True)
    assert (await clock.pictures.next()).payloads == wanted[0], "in the present nothing is slept"
