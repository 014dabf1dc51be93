"""The table of codecs: what is chosen of a description, and how a file says it."""

from __future__ import annotations

import pytest

from media import sdp
from media.access_unit import AccessUnit
from media.boxes import box
from media.codecs import VIDEO, choose_video, describe_entry
from media.errors import CodecError, Mp4Error
from media.sample_entry import visual_entry
from tests.builders_h264 import SETS


def _offer(*sections: str) -> tuple[sdp.MediaDescription, ...]:
    return sdp.parse("v=0\r\n" + "".join(f"{section}\r\n" for section in sections)).media


JPEG = "m=video 0 RTP/AVP 26\r\na=control:jpeg"
NAMELESS = "m=video 0 RTP/AVP 99\r\na=control:what"
SOUND = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=control:sound"
FIRST = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:first"
SECOND = FIRST.replace("first", "second")


def _emitted(unit: AccessUnit) -> None:
    raise AssertionError(f"nothing was sent, and yet {unit} came")


def test_the_first_video_that_can_be_recorded_is_chosen() -> None:
    """In the description's order; what cannot be recorded stands in nobody's way, sound is no video."""
    media, _taker = choose_video(_offer(SOUND, JPEG, FIRST, SECOND), _emitted)
    assert media.control == "first"


def test_what_cannot_be_recorded_is_named() -> None:
    """Everything on offer, and what would do."""
    with pytest.raises(
        CodecError, match=r"offers JPEG \(which `source: libav` records\), payload type 99 without a name; H264.* can"
    ):
        choose_video(_offer(JPEG, NAMELESS), _emitted)
    with pytest.raises(CodecError, match="offers no video;"):
        choose_video(_offer(SOUND), _emitted)


def test_files_say_which_codec_they_hold() -> None:
    """The entry that is written is read back; avc3, which others write, too."""
    track = SETS.track()
    assert describe_entry(track.sample_entry) == (track.codec, track.width, track.height)
    assert track.sample_entry[4:8] == VIDEO[0].entries[0]
    theirs = track.sample_entry.replace(b"avc1", b"avc3")
    assert describe_entry(theirs)[0] == track.codec.replace("avc1", "avc3")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (visual_entry(b"vp09", 320, 240), "vp09.*known are avc1, avc3"),
        (visual_entry(b"avc1", 320, 240, box(b"avcC", bytes(6))), "avc1 sample entry: .*6 bytes"),
        (visual_entry(b"avc1", 320, 240), "avc1 sample entry: .*none"),
        (visual_entry(b"avc1", 320, 240)[:-1] + b"\0\0", "one visual entry"),
        (box(b"avc1", bytes(20)), "one visual entry"),
    ],
)
def test_an_entry_that_describes_nothing_is_refused(entry: bytes, complaint: str) -> None:
    """By its name, and what is wrong with it."""
    with pytest.raises(Mp4Error, match=complaint):
        describe_entry(entry)
