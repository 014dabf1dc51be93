"""The codecs that simulated cameras have: one entry for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.codecs import find_video
from media.errors import ConfigError
from simulator.codec_av1 import Av1
from simulator.codec_h264 import H264
from simulator.codec_h265 import H265

if TYPE_CHECKING:
    from simulator.codec import Codec

_KNOWN: tuple[Codec, ...] = (H264(), H265(), Av1())

CODECS: dict[str, Codec] = {codec.name: codec for codec in _KNOWN}
"""By the name that `--codec` takes."""


def find_codec(name: str) -> Codec:
    """A codec by its name. ConfigError for another one."""
    codec = CODECS.get(name)
    if codec is None:
        raise ConfigError(f"codec {name!r}: simulated cameras have {', '.join(CODECS)}")
    return codec


def codec_of_entry(sample_entry: bytes) -> Codec:
    """The codec of a file by its sample entry. Mp4Error for one that is not known."""
    encoding = find_video(sample_entry).encoding
    return next(codec for codec in _KNOWN if codec.encoding == encoding)


def codec_of_libav(name: str) -> Codec | None:
    """The codec that libav calls so."""
    return next((codec for codec in _KNOWN if codec.libav == name), None)
