"""Access units as they come into fragments as they go out."""

from __future__ import annotations

import io

import av
import pytest

from media.h264_parameters import ParameterSets
from media.live_wire import LiveUnit
from media.moof import fragment_samples
from playback.live_muxer import LEAD_US, LiveFrame, LiveMuxer
from tests.builders_playback import film

NOON_US = 1_800_000_000_000_000
FRAME_US = 40_000
TICKS = 3600


def unit(
    number: int, *, sync: bool = False, payload: bytes = b"\0\0\0\2\x65\x88", shown: int | None = None
) -> LiveUnit:
    """The access unit sent as this one, 25 a second, shown in the place of another if B-frames change the order."""
    return LiveUnit(
        payload=payload,
        rtp_timestamp=(number if shown is None else shown) * TICKS + 0xFFFF0000 & 0xFFFFFFFF,
        arrival_us=NOON_US + number * FRAME_US,
        sync=sync,
        damaged=False,
        earlier=False,
    )


def muxer() -> LiveMuxer:
    """One that knows its track."""
    made = LiveMuxer()
    made.describe(parameters().track())
    return made


def parameters() -> ParameterSets:
    """A camera's."""
    sets = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
    assert sets is not None
    return sets


def times(frame: LiveFrame | None) -> tuple[int, int, int]:
    """Decode time, presentation time and duration in ticks."""
    assert frame is not None
    decode, (sample,) = fragment_samples(frame.fragment[: frame.header_bytes - 8])
    return decode, decode + sample.composition_offset_ticks, sample.duration_ticks


def test_it_begins_with_a_sync_sample() -> None:
    """Nothing can be decoded before."""
    made = muxer()
    assert made.frame(unit(0)) is None
    assert made.frame(unit(1, sync=True)) is not None
    assert made.frame(unit(2)) is not None


def test_media_time_is_tied_to_the_clock() -> None:
    """Over a wrap of the RTP timestamp, too."""
    made = muxer()
    frames = [made.frame(unit(number, sync=number == 0)) for number in range(100)]
    first = frames[0]
    assert first is not None
    for number, frame in enumerate(frames):
        decode, shown, _ = times(frame)
        assert decode == shown
        assert shown * 100 // 9 == NOON_US + number * FRAME_US - first.media.zero_us


def test_a_new_session_goes_on_in_the_same_time() -> None:
    """The camera was away for a while: the time of day of media time 0 stays, and there is a new description."""
    made = muxer()
    before = [made.frame(unit(number, sync=number == 0)) for number in range(5)]
    made.describe(parameters().track())
    assert made.frame(unit(250)) is None
    after = made.frame(unit(251, sync=True))
    assert before[0] is not None
    assert after is not None
    assert after.media is not before[0].media
    assert after.media.zero_us == before[0].media.zero_us == NOON_US - LEAD_US
    assert times(after)[0] * 100 // 9 == 251 * FRAME_US + LEAD_US


def test_time_never_runs_backwards() -> None:
    """Units that had come before a recorder's restart are sent again by nobody, but a clock may be stepped back."""
    made = muxer()
    last = [made.frame(unit(number, sync=number == 0)) for number in range(50)][-1]
    made.describe(parameters().track())
    again = made.frame(unit(10, sync=True))
    assert times(again)[0] >= sum(times(last)[::2])


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_stream_plays_as_it_was_encoded(b_frames: int) -> None:
    """Init section and fragments behind each other are a file: every picture is there, once and in its order."""
    source = film(50, b_frames=b_frames, jitter_ticks=0)
    made = LiveMuxer()
    made.describe(source.track)
    frames = [
        made.frame(unit(number, sync=one.sync, payload=one.nals, shown=one.pts_ticks // TICKS))
        for number, one in enumerate(source.units)
    ]
    assert frames[0] is not None
    assert frames[-1] is not None
    assert frames[-1].reordered == bool(b_frames)
    content = frames[0].media.init + b"".join(frame.fragment for frame in frames if frame is not None)
    with av.open(io.BytesIO(content)) as container:
        shown = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    assert shown == list(source.pictures)
