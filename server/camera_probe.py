"""One look at a camera, with the recorder's own client: what works here will record.

The look is short and bounded: it ends once two sync samples and the camera's clock were seen, or its seconds are over.
The picture is decoded in a process of its own (`ingest.still`). Whatever fails becomes a finding; nothing is raised.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.backoff import Herd
from ingest.client import CameraSession
from ingest.opening import open_source
from ingest.still import still
from ingest.tracks import TrackTaker
from media.errors import CodecError, GapReason, SourceError
from server.camera_observation import Observation
from server.camera_verdict import BY_LIBAV, Facts, Finding, Severity, judge, offered_audio, sentence
from server.codec_names import plain_name

if TYPE_CHECKING:
    from ingest.approach import Approach
    from ingest.source import Source
    from storage.clock import Clock

DEFAULT_S = 10.0
LONGEST_S = 60.0
LEAST_US = 3_000_000
"""Watched even if everything is known before: a bit rate of one second says little."""

LOOK_S = 0.1
FAREWELL_S = 1.0
"""For cameras to hear that the session is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a look at a camera gave."""

    facts: Facts | None
    """None where there was no session."""
    findings: tuple[Finding, ...]
    reason: GapReason | None
    """Why it cannot be recorded, as a gap would have it; None if it can."""

    @property
    def usable(self) -> bool:
        """Whether it can be recorded."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def verdict(self) -> str:
        """All in one line."""
        return sentence(self.findings)

    def to_json(self, *, picture: bool) -> dict[str, Any]:
        """As the API and `--json` give it; the picture in base64, if it is wanted."""
        facts = self.facts
        return {
            "usable": self.usable,
            "verdict": self.verdict,
            "reason": None if self.reason is None else self.reason.value,
            "findings": [
                {"severity": found.severity.value, "subject": found.subject, "words": found.words}
                for found in self.findings
            ],
            "camera": None if facts is None else _as_json(facts, picture=picture),
        }


async def probe(approach: Approach, clock: Clock, *, seconds: float = DEFAULT_S) -> Report:
    """Connect, watch, judge. Takes `seconds` at most, and up to 10 more for the picture."""
    observation, herd = Observation(clock), Herd(clock)
    session, failure = None, None
    try:
        async with asyncio.timeout(seconds):
            takers = {"video": TrackTaker(units=observation.take, reports=observation.take_report)}
            session = await open_source(approach, herd=herd, clock=clock, takers=takers)
            failure = await _watch(session, observation, clock)
    except SourceError as error:
        failure = error
    except TimeoutError:
        if session is None:
            failure = SourceError(GapReason.UNREACHABLE, f"no session within {seconds:g} s")
    finally:
        if session is not None:
            session.close()
        await herd.farewells.finish(clock, FAREWELL_S)
    failure = failure or _nothing_to_record(session, observation, seconds)
    if failure is not None:
        failure = SourceError(failure.reason, approach.url.veiled(str(failure)), hint=failure.hint)
    facts = None if session is None else await _facts(session, approach, observation)
    findings = judge(facts, failure, credentials=bool(approach.url.username))
    return Report(facts=facts, findings=findings, reason=None if failure is None else failure.reason)


async def _watch(session: Source, observation: Observation, clock: Clock) -> SourceError | None:
    """Until the session ends, which gives the reason, or everything is known."""
    while not session.failure.done():
        # Nobody but our own client hears of the camera's clock.
        clock_seen = observation.clock_offset_us is not None or observation.clock_unset
        known = observation.syncs > 1 and (clock_seen or not isinstance(session, CameraSession))
        if known and observation.watched_us >= LEAST_US:
            return None
        session.check(clock.boot_us())
        await clock.sleep(LOOK_S)
    return session.failure.result()


def _nothing_to_record(session: Source | None, observation: Observation, seconds: float) -> SourceError | None:
    if session is None or observation.first_sync is not None:
        return None
    if observation.undescribed:
        return SourceError(GapReason.UNSUPPORTED, f"no file can describe what it sends: {observation.undescribed}")
    if observation.units:
        return SourceError(GapReason.NO_SYNC, f"no sync sample within {seconds:g} s, {observation.units} pictures")
    return SourceError(GapReason.NO_MEDIA, f"no picture within {seconds:g} s; {session.what_came()}")


async def _facts(session: Source, approach: Approach, seen: Observation) -> Facts:
    picture, problem = await _picture(seen)
    track = seen.track
    own = session if isinstance(session, CameraSession) else None
    offered = () if own is None else own.offered
    return Facts(
        transport=BY_LIBAV if own is None else f"RTP over {approach.transport.upper()}",
        login=None if own is None else own.login,
        encrypted=approach.url.scheme in {"rtsps", "https"},
        server=None if own is None else own.server,
        codec=None if track is None else track.codec,
        codec_name=None if track is None else plain_name(track.codec),
        width=0 if track is None else track.width,
        height=0 if track is None else track.height,
        frames_per_s=seen.frames_per_s,
        bitrate_bps=seen.bitrate_bps,
        gop_us=seen.gop_us,
        b_frames=seen.reorders,
        frames=seen.frames,
        watched_us=seen.watched_us,
        lost_packets=seen.lost_packets,
        audio=offered_audio((media.encoding, media.clock_rate) for media in offered if media.kind == "audio"),
        reports=seen.reports,
        clock_offset_us=seen.clock_offset_us,
        clock_unset=seen.clock_unset,
        picture=picture,
        picture_problem=problem,
    )


async def _picture(seen: Observation) -> tuple[bytes | None, str]:
    if seen.first_sync is None or seen.track is None:
        return None, ""
    try:
        return await still(seen.track, seen.first_sync), ""
    except CodecError as error:
        return None, str(error)


def _as_json(facts: Facts, *, picture: bool) -> dict[str, Any]:
    wanted = picture and facts.picture is not None
    return {
        "transport": facts.transport,
        "encrypted": facts.encrypted,
        "authentication": facts.login,
        "server": facts.server,
        "codec": facts.codec,
        "codec_name": facts.codec_name,
        "width": facts.width,
        "height": facts.height,
        "frames_per_s": round(facts.frames_per_s, 3),
        "bitrate_bps": facts.bitrate_bps,
        "gop_us": facts.gop_us,
        "b_frames": facts.b_frames,
        "frames": facts.frames,
        "watched_us": facts.watched_us,
        "lost_packets": facts.lost_packets,
        "audio": list(facts.audio),
        "sender_reports": facts.reports,
        "camera_clock_offset_us": facts.clock_offset_us,
        "picture": base64.b64encode(facts.picture or b"").decode() if wanted else None,
    }
