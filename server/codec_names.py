"""Codecs as people call them, from their RFC 6381 names."""

from __future__ import annotations

_AVC_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2"}
_AVC_PROFILES |= {44: "CAVLC 4:4:4", 244: "High 4:4:4"}
_HEVC_PROFILES = {"1": "Main", "2": "Main 10", "3": "Main Still Picture", "4": "Range Extensions"}
_AV1_PROFILES = {"0": "Main", "1": "High", "2": "Professional"}
_OTHERS = {"mp4v.6C": "Motion JPEG"}


def plain_name(codec: str) -> str:
    """H.264 High for "avc1.64001f". What is not known stays as it is."""
    entry, _, rest = codec.partition(".")
    if entry in {"avc1", "avc3"} and len(rest) == 6:
        return f"H.264 {_AVC_PROFILES.get(int(rest[:2], 16), 'profile ' + rest[:2])}"
    profile = rest.partition(".")[0]
    if entry in {"hvc1", "hev1"}:
        return f"H.265 {_HEVC_PROFILES.get(profile.lstrip('ABC'), 'profile ' + profile)}"
    if entry == "av01":
        return f"AV1 {_AV1_PROFILES.get(profile, 'profile ' + profile)}"
    return _OTHERS.get(codec, codec)
