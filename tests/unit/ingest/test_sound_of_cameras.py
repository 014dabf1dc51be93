"""Sound through a whole session: set up only if wanted, recorded beside the pictures, and never at their cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.tracks import CameraTrack, TrackTaker, choose_tracks
from media.audio_codecs import choose_audio
from media.errors import GapReason, SpoolError
from media.fmp4_read import scan
from media.moof import TRACK_ID
from media.rtcp import SenderReport
from media.rtp import write_header
from media.rtsp import Headers, Response
from tests.builders_audio import AAC, PCMU, offer
from tests.builders_h264 import frame
from tests.builders_recorded import FRAME_US
from tests.builders_recorder import Line, Rig, Wire
from tests.waiting import eventually

if TYPE_CHECKING:
    from media.access_unit import AccessUnit

VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:video"
HEVC_LATM = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MP4A-LATM/16000/1\r\na=control:audio"
SOUND = f"{PCMU}\r\na=control:audio"
SOUND_BYTES = 320
NTP = 3_976_646_400 << 32  # 2026


def _nothing(unit: AccessUnit) -> None:
    raise AssertionError(f"{unit} came of nothing")


# --- which tracks


def test_sound_that_nobody_wants_is_not_set_up() -> None:
    """Off is the default: not a byte of it is asked for."""
    tracks = choose_tracks(offer(VIDEO, SOUND), {"video": TrackTaker(units=_nothing)})
    assert [track.media.kind for track in tracks] == ["video"]


@pytest.mark.parametrize(
    ("sections", "kinds", "why"),
    [
        ((VIDEO, SOUND), ["video", "audio"], []),
        ((SOUND, VIDEO), ["video", "audio"], []),
        ((VIDEO,), ["video"], ["the camera offers none"]),
        ((VIDEO, HEVC_LATM), ["video"], ["AAC in LATM (RFC 6416) is not supported"]),
        ((VIDEO, AAC.replace("mode=AAC-hbr;", "")), ["video"], ["in mode ''"]),
    ],
)
def test_unusable_sound_costs_no_picture(sections: tuple[str, ...], kinds: list[str], why: list[str]) -> None:
    """Video first, and what is wrong with the sound in words (quirk D6, Anpviz)."""
    said: list[str] = []
    takers = {"video": TrackTaker(units=_nothing), "audio": TrackTaker(units=_nothing, unusable=said.append)}
    tracks = choose_tracks(offer(*sections), takers)
    assert [track.media.kind for track in tracks] == kinds
    assert len(said) == len(why)
    assert all(part in words for part, words in zip(why, said, strict=True))


# --- the dialogue


class Camera:
    """A camera's side of DESCRIBE, SETUP and PLAY; what it was asked, in order."""

    def __init__(self, *sections: str, refuses: str = "") -> None:
        self.rig = Rig()
        self.sections = sections
        self.refuses = refuses
        self.asked: list[str] = []
        self.said: list[str] = []

    async def play(self, *, audio: bool) -> None:
        """The client's part, answered."""
        takers = {"video": TrackTaker(units=_nothing)}
        if audio:
            takers["audio"] = TrackTaker(units=_nothing, unusable=self.said.append)
        camera = self.rig.watch(None)  # type: ignore[arg-type] # SETUP brings it
        camera.session._media_channel = -1
        line = camera.session._transport
        assert isinstance(line, Line)
        playing = asyncio.create_task(camera.play(takers))
        while not playing.done():
            await eventually("a request", lambda: playing.done() or len(line.written) > len(self.asked))
            for written in line.written[len(self.asked) :]:
                received = self._answer(written.decode())
                camera.session.get_buffer(0)[: len(received)] = received
                camera.session.buffer_updated(len(received))
        await playing

    def _answer(self, request: str) -> bytes:
        method, url, _ = request.split(" ", 2)
        self.asked.append(f"{method} {url.rpartition('/')[2]}")
        cseq = request.partition("CSeq: ")[2].partition("\r\n")[0]
        if self.refuses and self.asked[-1] == self.refuses:
            return Response(status=461, reason="no", headers=Headers([("CSeq", cseq)])).to_bytes()
        transport = request.partition("Transport: ")[2].partition("\r\n")[0]
        fields = [("CSeq", cseq), ("Session", "1"), *([("Transport", transport)] if transport else [])]
        body = ("v=0\r\n" + "".join(f"{each}\r\n" for each in self.sections)).encode() if "DESC" in method else b""
        return Response(status=200, reason="OK", headers=Headers(fields), body=body).to_bytes()


async def test_without_audio_the_track_is_never_asked_for() -> None:
    """The dialogue is that of a camera without a microphone."""
    camera = Camera(VIDEO, SOUND)
    await camera.play(audio=False)
    assert camera.asked == ["DESCRIBE ", "SETUP video", "PLAY "]


async def test_with_audio_both_tracks_are_set_up() -> None:
    """Pictures first."""
    camera = Camera(VIDEO, SOUND)
    await camera.play(audio=True)
    assert camera.asked == ["DESCRIBE ", "SETUP video", "SETUP audio", "PLAY "]
    assert camera.said == []


async def test_a_camera_that_refuses_its_sound_is_played_without() -> None:
    """And says so."""
    camera = Camera(VIDEO, SOUND, refuses="SETUP audio")
    await camera.play(audio=True)
    assert camera.asked[-1] == "PLAY "
    assert len(camera.said) == 1
    assert camera.said[0].startswith("SETUP was answered with 461 no")


# --- the recording


class Talking(Wire):
    """A camera that sends PCMU on channels 2 and 3, 40 ms a packet."""

    def __init__(self, rig: Rig | None = None) -> None:
        super().__init__(rig)
        recorder = self.rig.recorder
        pictures = TrackTaker(units=_nothing, reports=recorder._conditions.take_report)
        self.takers = recorder._sound.begin_session(recorder._segmenter, pictures, wanted=True)
        taker = self.takers["audio"]
        chosen = choose_audio(offer(PCMU), taker.units)
        assert chosen is not None
        self.sound = CameraTrack(*chosen, taker)
        self.camera.session.attach(2, self.sound.receiver.receive)
        self.heard = 0

    def talk(self, seconds: int, *, missing: range = range(0)) -> None:
        """Pictures and sound."""
        for _ in range(25 * seconds):
            self.play(1)
            if self.heard not in missing:
                header = write_header(self.heard, self.heard * SOUND_BYTES, 9, 0, marker=False)
                self.hear(frame(2, header + self.heard.to_bytes(4, "big") * (SOUND_BYTES // 4)))
            self.heard += 1

    def stored_sound(self) -> list[int]:
        """Which packets are in the spool, bit for bit, in order."""
        found = []
        for file in self.rig.spool.files:
            content = bytes(file.content)
            for fragment in scan(lambda at, n, f=content: f[at : at + n], len(content), verify=True).fragments:  # type: ignore[misc]
                if fragment.commit.track != TRACK_ID:
                    payload = content[fragment.data_offset :][: fragment.data_bytes]
                    found += [payload[at : at + SOUND_BYTES] for at in range(0, len(payload), SOUND_BYTES)]
        numbers = [int.from_bytes(each[:4], "big") for each in found]
        assert found == [number.to_bytes(4, "big") * (SOUND_BYTES // 4) for number in numbers]
        return numbers


async def test_sound_is_recorded_beside_the_pictures() -> None:
    """Every packet, and every frame as it would have been without."""
    wire = Talking()
    wire.talk(10)
    stored = wire.record()
    assert [unit.number for unit in stored] == list(range(250))
    assert wire.stored_sound() == list(range(250))
    assert wire.damage() == 0
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]
    assert wire.rig.recorder.state()["detail"] is None


async def test_the_reports_of_both_tracks_place_the_sound() -> None:
    """And those of the pictures alone still tell the camera's clock."""
    wire = Talking()
    wire.talk(1)
    segmenter = wire.rig.recorder._segmenter
    newest, *_ = segmenter._timeline.placed
    for kind, rtp in (("video", newest), ("audio", 24 * SOUND_BYTES + 160)):  # with the middle of the newest packet
        report = SenderReport(ssrc=9, ntp=NTP, rtp_timestamp=rtp, packets=0, octets=0)
        wire.takers[kind].reports(report)
    wire.talk(2)
    assert wire.rig.recorder._conditions.clock_offset_us is not None
    assert segmenter.sound._lips.apart_us == -FRAME_US // 2


async def test_lost_packets_of_sound_are_damage_and_no_gap() -> None:
    """Pictures decide what is a gap."""
    wire = Talking()
    wire.talk(10, missing=range(60, 110))
    wire.record()
    assert wire.stored_sound() == [*range(60), *range(110, 250)]
    assert wire.damage() == 50
    assert wire.gap_reasons() == [GapReason.SHUTDOWN]
    assert wire.rig.recorder.state()["lost_packets"] == 50


async def test_a_defect_met_by_sound_costs_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the sound of this session and is said."""
    wire = Talking()
    wire.talk(2)

    def defect(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(wire.rig.recorder._segmenter.sound, "add", defect)
    wire.talk(2)
    state = wire.rig.recorder.state()
    assert (state["state"], state["detail"]) == ("recording", "no sound: internal error: ZeroDivisionError")
    assert [unit.number for unit in wire.record()] == list(range(100))


async def test_what_is_durable_is_told_by_the_pictures() -> None:
    """The number of the last fragment of either track, and where the pictures end."""
    wire = Talking()
    wire.talk(3)
    for done in list(wire.rig.spool.files[0].waiting):
        done(None)
    durable = wire.rig.recorder.state()["durable"]
    assert durable["fragment"] == 2 * 2 - 1
    assert durable["through_us"] - wire.rig.clock.wall_us() < -25 * FRAME_US + 2 * FRAME_US


async def test_sound_that_a_disk_refused_is_no_gap_and_what_follows_is() -> None:
    """The pictures beside it are durable, and are footage; the file is given up, so the gap begins where they end."""
    wire = Talking()
    wire.talk(3)
    file = wire.rig.spool.files[0]
    for number, done in enumerate(list(file.waiting)):
        done(SpoolError("no") if number == 3 else None)
    durable_us = wire.rig.recorder.state()["durable"]["through_us"]
    assert [note["kind"] for note in wire.rig.spool.notes][-1] == "gap_open"
    assert wire.rig.spool.notes[-1]["at_us"] == durable_us
    wire.talk(3)
    assert len(wire.rig.spool.files) == 2
    for done in list(wire.rig.spool.files[1].waiting):
        done(None)
    closed = wire.rig.spool.notes[-1]
    content = bytes(wire.rig.spool.files[1].content)
    again = scan(lambda at, n: content[at : at + n], len(content), verify=True)
    assert (closed["kind"], closed["at_us"]) == ("gap_close", again.pictures[0].commit.wall_us)
    assert wire.rig.recorder.state()["state"] == "recording"
    assert next(commit.lost_packets for commit in again.commits if commit.track != TRACK_ID) == 1


async def test_a_changed_wish_for_sound_begins_another_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """The track is set up, or not, when a session begins."""
    rig = Rig()
    rig.recorder._changed.clear()
    rig.recorder.assign(replace(rig.assignment, name="another"))
    assert not rig.recorder._changed.is_set()
    rig.recorder.assign(replace(rig.assignment, audio=True))
    assert rig.recorder._changed.is_set()
