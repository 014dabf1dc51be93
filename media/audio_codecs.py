"""Which sound of a session description can be recorded, and what takes its payloads.

An unusable audio track never costs the video (quirk D6): what is wrong with it is said here, and nowhere before a
camera's sound is wanted at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.aac import AacDepacketizer, aac_config
from media.errors import CodecError
from media.g711 import G711Depacketizer, g711_description
from media.opus import OpusDepacketizer, opus_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from media.access_unit import AccessUnit
    from media.rtp import PayloadTaker
    from media.sdp import MediaDescription

    Emit = Callable[[AccessUnit], None]

SUPPORTED = "AAC-LC (MPEG4-GENERIC), Opus, PCMU and PCMA"
_REFUSED = {"MP4A-LATM": "AAC in LATM (RFC 6416)", "G723": "G.723.1", "G723.1": "G.723.1"}
_MOST_WORD = 20


def audio_taker(media: MediaDescription, emit: Emit) -> PayloadTaker:
    """What takes the payloads of this track; CodecError, with the codec's name, when it cannot be recorded."""
    match media.encoding:
        case "MPEG4-GENERIC":
            return AacDepacketizer(emit, aac_config(media))
        case "OPUS":
            return OpusDepacketizer(emit, opus_channels(media))
        case "PCMU" | "PCMA":
            return G711Depacketizer(emit, g711_description(media))
    name = _REFUSED.get(media.encoding, media.encoding[:_MOST_WORD]) or f"payload type {media.payload_type}"
    raise CodecError(f"{name} is not supported; {SUPPORTED} are")


def choose_audio(offered: Iterable[MediaDescription], emit: Emit) -> tuple[MediaDescription, PayloadTaker] | None:
    """The first track of sound that can be recorded, and its taker; None when there is no sound on offer.

    CodecError, about the first one, when there is some and none can be recorded.
    """
    why: CodecError | None = None
    for media in offered:
        if media.kind == "audio":
            try:
                return media, audio_taker(media, emit)
            except CodecError as error:
                why = why or error
    if why is not None:
        raise why
    return None
