"""The codecs that Hulta records: one row for each, from the session description to the file.

A codec is added by its row here and one in `simulator.codecs`; nothing else in the product asks for a codec by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.av1 import Av1Depacketizer
from media.av1_sequence import av1_codec
from media.errors import CodecError, Mp4Error
from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets, avc_codec
from media.h265 import H265Depacketizer, require_sending_order
from media.h265_parameters import H265ParameterSets, hevc_codec
from media.jpeg import read_esds
from media.sample_entry import read_visual_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from media.access_unit import AccessUnit
    from media.rtp import PayloadTaker
    from media.sdp import MediaDescription

    Emit = Callable[[AccessUnit], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCodec:
    """One way to code pictures."""

    encoding: str
    """Its name in session descriptions, in capitals: "H264"."""
    receive: Callable[[MediaDescription, Emit], PayloadTaker] | None
    """What puts its access units together. CodecError names a mode of it that cannot be recorded. None: it comes by
    `source: libav` only."""
    entries: tuple[bytes, ...]
    """The sample entries that files describe it by. Hulta writes the first one."""
    configuration: bytes
    """The box inside of them that sets up a decoder."""
    read_configuration: Callable[[str, bytes], str]
    """The codec as RFC 6381 writes it, from an entry's four letters and that box. CodecError if it is none."""
    brand: bytes = b""
    """What a file with it must say that it is compatible with, beside what all files are (AV1-ISOBMFF 2.1)."""


def _receive_h264(media: MediaDescription, emit: Emit) -> PayloadTaker:
    if media.fmtp.get("packetization-mode") == "2" and media.fmtp.get("sprop-interleaving-depth") != "0":
        raise CodecError("H264 out of order (packetization-mode=2, interleaved)")
    return H264Depacketizer(emit, ParameterSets.from_sprop(media.fmtp.get("sprop-parameter-sets", "")))


def _receive_h265(media: MediaDescription, emit: Emit) -> PayloadTaker:
    require_sending_order(media.fmtp)
    return H265Depacketizer(emit, H265ParameterSets.from_fmtp(media.fmtp))


def _receive_av1(_media: MediaDescription, emit: Emit) -> PayloadTaker:
    return Av1Depacketizer(emit)  # its description only names profile and level; the sequence header is in the stream


VIDEO = (
    VideoCodec(
        encoding="H264",
        receive=_receive_h264,
        entries=(b"avc1", b"avc3"),
        configuration=b"avcC",
        read_configuration=avc_codec,
    ),
    VideoCodec(
        encoding="H265",
        receive=_receive_h265,
        entries=(b"hvc1", b"hev1"),
        configuration=b"hvcC",
        read_configuration=hevc_codec,
    ),
    VideoCodec(
        encoding="AV1",
        receive=_receive_av1,
        entries=(b"av01",),
        configuration=b"av1C",
        read_configuration=av1_codec,
        brand=b"av01",
    ),
    VideoCodec(
        encoding="JPEG",
        receive=None,
        entries=(b"mp4v",),
        configuration=b"esds",
        read_configuration=read_esds,
    ),
)


def choose_video(offered: Iterable[MediaDescription], emit: Emit) -> tuple[MediaDescription, PayloadTaker]:
    """The first video of a description that can be recorded, and what takes its payloads.

    CodecError says what is offered instead.
    """
    by_encoding = {codec.encoding: codec for codec in VIDEO}
    refused: list[str] = []
    for media in offered:
        codec = by_encoding.get(media.encoding)
        if media.kind != "video":
            continue
        if codec is None:
            refused.append(media.encoding or f"payload type {media.payload_type} without a name")
            continue
        if codec.receive is None:
            refused.append(f"{codec.encoding} (which `source: libav` records)")
            continue
        try:
            return media, codec.receive(media, emit)
        except CodecError as error:
            refused.append(str(error))
    known = (codec.encoding for codec in VIDEO if codec.receive is not None)
    offer = ", ".join(refused) or "no video"
    raise CodecError(f"the camera offers {offer}; {' and '.join(known)} can be recorded")


def find_video(sample_entry: bytes) -> VideoCodec:
    """The codec of a visual sample entry; Mp4Error for one that Hulta does not know."""
    kind = read_visual_entry(sample_entry).kind
    for codec in VIDEO:
        if kind in codec.entries:
            return codec
    known = ", ".join(each.decode() for codec in VIDEO for each in codec.entries)
    raise Mp4Error(f"sample entry {kind!r}; known are {known}")


def brand_of(sample_entry: bytes) -> bytes:
    """What the `ftyp` of a file with this entry must name beside what all have; mostly nothing."""
    return next((codec.brand for codec in VIDEO if sample_entry[4:8] in codec.entries), b"")


def describe_entry(sample_entry: bytes) -> tuple[str, int, int]:
    """Codec (RFC 6381), width and height of a visual sample entry; Mp4Error for one that describes no pictures."""
    codec, entry = find_video(sample_entry), read_visual_entry(sample_entry)
    kind = entry.kind.decode()
    try:
        return codec.read_configuration(kind, entry.content(codec.configuration)), entry.width, entry.height
    except CodecError as error:
        raise Mp4Error(f"an {kind} sample entry: {error}") from error
