"""Offers to receive video, and what of them a camera's stream fits."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from media.errors import Unfit, UsageError
from playback.whep_offer import MOST_SECTIONS, fit

CONSTRAINED_BASELINE, BASELINE, MAIN, HIGH = "avc1.42c01e", "avc1.42001f", "avc1.4d0028", "avc1.640028"
H264 = {102: (1, "42001f"), 104: (0, "42001f"), 108: (1, "42e01f"), 116: (1, "4d001f"), 41: (1, "f4001f")}


def offer(h264: dict[int, tuple[int, str]] | None = None, *, direction: str = "recvonly", audio: bool = False) -> str:
    """As Chromium makes it: VP8 before H.264, a retransmission beside each, candidates of names."""
    coded = H264 if h264 is None else h264
    numbers = [number for pt in coded for number in (pt, pt + 1)]
    lines = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE 0{' 1' if audio else ''}",
        f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, [96, 97, *numbers]))}",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2113937151 198.51.100.7 43525 typ host",
        "a=candidate:1 1 udp 2113937151 d5959686-b691-437b-b172-ba3b9f9b7eeb.local 43525 typ host",
        "a=ice-ufrag:uDB4",
        "a=ice-pwd:o+NELAPdBflmY5e+lDIGo7rq",
        "a=mid:0",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
    ]
    for pt, (mode, profile) in coded.items():
        lines += [
            f"a=rtpmap:{pt} H264/90000",
            f"a=rtcp-fb:{pt} nack pli",
            f"a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}",
            f"a=rtpmap:{pt + 1} rtx/90000",
            f"a=fmtp:{pt + 1} apt={pt}",
        ]
    if audio:
        lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:1", "a=rtpmap:111 opus/48000/2"]
    return "\r\n".join([*lines, "a=end-of-candidates", ""])


def chosen(text: str) -> list[int]:
    """The payload types that are left of the video."""
    found = re.search(r"^m=video \d+ \S+ (.*)\r\n", text, re.MULTILINE)
    assert found is not None
    return [int(number) for number in found[1].split()]


@pytest.mark.parametrize(
    ("codec", "payload_type", "profile"),
    [(CONSTRAINED_BASELINE, 102, "42001f"), (BASELINE, 102, "42001f"), (MAIN, 116, "4d001f"), (HIGH, 116, "4d001f")],
)
def test_one_payload_type_that_fits_the_stream_is_left(codec: str, payload_type: int, profile: str) -> None:
    """With its retransmission, and nothing else: VP8 cannot be chosen any more."""
    fitted = fit(offer(), codec)
    assert chosen(fitted.offer) == [payload_type, payload_type + 1]
    assert fitted.profile == profile
    assert "VP8" not in fitted.offer
    numbers = {int(number) for number in re.findall(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)", fitted.offer)}
    assert numbers == {payload_type, payload_type + 1}


def test_a_browser_that_offers_high_gets_it_under_that_name() -> None:
    """Main is for those that offer no High."""
    assert fit(offer({**H264, 120: (1, "64001f")}), HIGH).profile == "64001f"


def test_the_answer_says_the_profile_that_was_offered() -> None:
    """The library is told one that it knows; the browser gets its own back."""
    fitted = fit(offer(), MAIN)
    line = "a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    assert line in fitted.offer
    assert fitted.answer(line) == line.replace("42e01f", "4d001f")


def test_no_address_of_an_offer_is_ever_sent_to() -> None:
    """Else this host would be a tool to look around with."""
    text = fit(offer(audio=True), MAIN).offer
    assert "candidate" not in text
    assert "198.51.100.7" not in text
    assert ".local" not in text


def test_sound_may_be_offered_beside_it() -> None:
    """Its section stays, as the answer needs one for each."""
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" in fit(offer(audio=True), MAIN).offer


def test_lines_may_end_as_in_unix() -> None:
    """People write offers by hand."""
    assert fit(offer().replace("\r\n", "\n"), MAIN) == fit(offer(), MAIN)


@pytest.mark.parametrize(
    ("codec", "h264", "says"),
    [
        ("hvc1.1.6.L93.B0", None, "sends H.265; only H.264"),
        ("av01.0.08M.08", None, "sends AV1; only H.264"),
        ("avc1.6e0028", None, "H.264 High 10, which browsers do not take"),
        (MAIN, {}, "sends H.264 Main, and the offer has no"),
        (HIGH, {102: (1, "42001f"), 41: (1, "f4001f")}, "sends H.264 High, and the offer has no"),
        (MAIN, {116: (0, "4d001f")}, "sends H.264 Main, and the offer has no"),
        (MAIN, {116: (1, "nonsense")}, "sends H.264 Main, and the offer has no"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(codec: str, h264: dict[int, tuple[int, str]] | None, says: str) -> None:
    """A connected call without a picture is the worst of answers."""
    with pytest.raises(Unfit, match=re.escape(says)):
        fit(offer(h264), codec)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=0\r\n",
        offer(direction="sendonly"),
        offer(direction="inactive"),
        offer() + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        offer() + offer()[offer().index("m=video") :],
        offer() + "m=audio 9 RTP/AVP 0\r\n" * MOST_SECTIONS,
        offer().replace("m=video 9 UDP/TLS/RTP/SAVPF", "m=video nine UDP/TLS/RTP/SAVPF"),
    ],
)
def test_what_is_no_offer_to_receive_video_is_refused(text: str) -> None:
    """With a sentence, whatever it is."""
    with pytest.raises(UsageError):
        fit(text, MAIN)


@pytest.mark.parametrize(
    "piece", ["a=fmtp:102 ;;;;=;=\r\n", "m=", "a=rtpmap:99999999999999999999 H264/90000\r\n", "\0"]
)
def test_junk_in_an_offer_is_no_fault(piece: str) -> None:
    """Declared errors or an offer that is cut down; nothing else."""
    text = offer()
    for place in range(0, len(text), 37):
        with suppress(UsageError, Unfit):
            assert chosen(fit(text[:place] + piece + text[place:], MAIN).offer)
