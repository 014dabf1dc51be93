"""What a file needs to know about a track."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One video or audio channel of a stream, described for a file and for its readers."""

    kind: str
    """The media type of the session description: "video" or "audio"."""
    timescale: int
    """Ticks per second; the RTP clock rate (90000 for video, mostly the sampling rate for sound)."""
    codec: str
    """RFC 6381, such as "avc1.64001f"."""
    width: int
    """Pixels shown, after cropping; 0 for sound."""
    height: int
    """Pixels shown, after cropping; 0 for sound."""
    sample_entry: bytes
    """The complete sample entry box, such as 'avc1' with its 'avcC'."""
