"""What is said of a camera that was looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.errors import GapReason, SourceError
from server.camera_verdict import ADVICE, Facts, Severity, judge, offered_audio, sentence
from server.codec_names import plain_name

GOOD = Facts(
    transport="RTP over TCP",
    login="Digest SHA-256",
    codec="avc1.42c01f",
    codec_name="H.264 Baseline",
    width=1280,
    height=720,
    frames_per_s=25.0,
    bitrate_bps=4_130_000,
    gop_us=1_000_000,
    frames=100,
    watched_us=4_000_000,
    reports=1,
    clock_offset_us=-40_000,
)
OFFER = "offers H.264 Baseline 1280x720 at 25 frames/s, 4.1 Mbit/s"


def verdict(**changed: object) -> str:
    """Of the good camera with something else about it."""
    return sentence(judge(replace(GOOD, **changed), None, credentials=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"clock_offset_us": -41_000_000}, "clock 41 s slow"),
        ({"clock_offset_us": 3 * 3600 * 1_000_000}, "clock 3 h fast"),
        ({"clock_offset_us": None, "clock_unset": True}, "its clock is not set"),
        ({"clock_offset_us": None, "reports": 0}, "sends no RTCP, so its clock is not known"),
        ({"login": None, "reports": 0, "clock_offset_us": None, "transport": "libav"}, ""),
        ({"gop_us": 10_000_000}, "GOP 10 s: seeking will be coarse"),
        ({"gop_us": None}, "one sync sample in 4 s: seeking will be coarse"),
        ({"login": None}, "asks for no password"),
        ({"login": "Basic"}, "takes the password in the clear (Basic)"),
        ({"login": "Basic", "encrypted": True}, ""),
        ({"lost_packets": 3}, "3 packets were lost in 4 s"),
        ({"picture_problem": "the picture cannot be decoded: ValueError"}, "the picture cannot be decoded: ValueError"),
        (
            {"gop_us": 10_000_000, "clock_offset_us": -41_000_000},
            "GOP 10 s: seeking will be coarse; clock 41 s slow",
        ),
    ],
)
def test_what_is_worth_knowing_is_in_the_sentence(changed: dict[str, object], words: str) -> None:
    """The offer first, then what to think of it."""
    assert verdict(**changed) == "; ".join(filter(None, (OFFER, words)))


def test_audio_is_told_but_not_complained_about() -> None:
    """It is off unless somebody wants it."""
    audio = offered_audio([("MPEG4-GENERIC", 16_000), ("", 8000)])
    findings = judge(replace(GOOD, audio=audio), None, credentials=True)
    (heard,) = [finding for finding in findings if finding.subject == "audio"]
    assert heard.severity is Severity.INFO
    assert "MPEG4-GENERIC 16 kHz, unknown 8 kHz" in heard.words
    assert sentence(findings) == OFFER


@pytest.mark.parametrize(
    ("reason", "message", "credentials", "words"),
    [
        (GapReason.AUTH, "DESCRIBE was answered with 401 No", True, "401 No: wrong name or password"),
        (GapReason.AUTH, "DESCRIBE was answered with 401 No", False, "401 No: it asks for a name and a password"),
        (GapReason.REFUSED, "10.0.0.1:554 refuses connections", True, "10.0.0.1:554 refuses connections"),
    ],
)
def test_a_failure_is_the_whole_sentence(reason: GapReason, message: str, credentials: bool, words: str) -> None:
    """What else was seen comes after it, in the findings."""
    findings = judge(GOOD, SourceError(reason, message), credentials=credentials)
    assert sentence(findings).endswith(words)
    rest = [finding.severity for finding in findings if finding.subject != "advice"]
    assert rest == [Severity.ERROR, Severity.INFO]


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("avc1.64001f", "H.264 High"),
        ("avc1.990000", "H.264 profile 99"),
        ("hvc1.1.6.L93.B0", "H.265 Main"),
        ("hev1.2.4.L120", "H.265 Main 10"),
        ("av01.0.04M.08", "AV1 Main"),
        ("mp4v.6C", "Motion JPEG"),
        ("opus", "opus"),
    ],
)
def test_codecs_have_plain_names(codec: str, name: str) -> None:
    """What is unknown stays as it is."""
    assert plain_name(codec) == name


@pytest.mark.parametrize("reason", ADVICE)
def test_a_failure_that_does_not_say_what_to_do_comes_with_advice(reason: GapReason) -> None:
    """Behind it, and not in the sentence; one that says so itself needs none."""
    failure, advice = judge(None, SourceError(reason, "it failed"), credentials=True)
    assert (failure.words, advice.subject, advice.words) == ("it failed", "advice", ADVICE[reason])
    assert sentence((failure, advice)) == "it failed"
    (failure,) = judge(None, SourceError(reason, "it failed", hint="do this"), credentials=True)
    assert failure.words == "it failed (do this)"
