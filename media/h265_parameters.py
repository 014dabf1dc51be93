"""The parameter sets of an H.265 stream, and the sample entry a file describes it by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from media import h265_nal
from media.boxes import box
from media.errors import CodecError
from media.h265_nal import HEADER_BYTES, is_nal_header, nal_type
from media.h265_sps import SequenceParameters, parse_pps_id, parse_sps, parse_vps_id
from media.nal import split_sprop
from media.sample_entry import visual_entry
from media.track import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Real sets have 10 to 300 bytes. The bound keeps 16 + 16 + 64 hostile ones below half a megabyte.
MAX_SET_BYTES = 4096

_LAYER_MASK = 0x1F8
_HEAD_BYTES = 23  # of an HEVCDecoderConfigurationRecord, before the sets


@dataclass(frozen=True, slots=True, kw_only=True)
class H265ParameterSets:
    """The current VPS, SPS and PPS of a stream, ordered by id. Equal when their bytes are."""

    vps: tuple[bytes, ...] = ()
    sps: tuple[bytes, ...] = ()
    pps: tuple[bytes, ...] = ()

    @classmethod
    def from_nals(cls, nals: Sequence[bytes]) -> H265ParameterSets | None:
        """The sets among some NAL units; None unless a usable one of each is there."""
        sets = cls()
        for nal in nals:
            try:
                sets = sets.updated(nal)
            except CodecError:
                continue  # sprop junk (quirk V6): in-band sets will follow
        return sets if sets.complete else None

    @classmethod
    def from_fmtp(cls, fmtp: Mapping[str, str]) -> H265ParameterSets | None:
        """Read `sprop-vps`, `sprop-sps` and `sprop-pps` (RFC 7798 7.1); None where a camera wrote junk into them."""
        return cls.from_nals(
            [nal for name in ("sprop-vps", "sprop-sps", "sprop-pps") for nal in split_sprop(fmtp.get(name, ""))]
        )

    @property
    def complete(self) -> bool:
        """Whether a decoder could start with these."""
        return bool(self.vps and self.sps and self.pps)

    def updated(self, nal: bytes) -> H265ParameterSets:
        """These sets with one put in the place of its id; `self` when nothing changes.

        Other NAL units change nothing, nor do sets of other layers than the base. `CodecError` for a set that could
        not describe a stream.
        """
        header = int.from_bytes(nal[:HEADER_BYTES], "big")
        if len(nal) < HEADER_BYTES or header & _LAYER_MASK or not is_nal_header(nal[0], nal[1]):
            return self
        match nal_type(nal):
            case h265_nal.VPS:
                return replace(self, vps=_with(self.vps, nal, parse_vps_id)) if nal not in self.vps else self
            case h265_nal.SPS:
                return replace(self, sps=_with(self.sps, nal, _sps_id)) if nal not in self.sps else self
            case h265_nal.PPS:
                return replace(self, pps=_with(self.pps, nal, parse_pps_id)) if nal not in self.pps else self
        return self

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file. Size and codec are those of the SPS with the lowest id."""
        if not self.complete:
            raise CodecError("a stream cannot be described without a VPS, an SPS and a PPS")
        parameters = parse_sps(self.sps[0])
        configuration = self._configuration(parameters)
        width, height = parameters.width, parameters.height
        return Track(
            kind="video",
            timescale=timescale,
            codec=hevc_codec("hvc1", configuration),
            width=width,
            height=height,
            sample_entry=visual_entry(b"hvc1", width, height, box(b"hvcC", configuration)),
        )

    def _configuration(self, parameters: SequenceParameters) -> bytes:
        """HEVCDecoderConfigurationRecord, ISO 14496-15, 8.3.3.1, with NAL lengths of 4 bytes.

        Zeros where it may leave things open: spatial segmentation, parallelism, frame rate. The arrays are not called
        complete, because the camera's repeats stay in the samples.
        """
        record = bytearray((1, *parameters.general, 0xF0, 0, 0xFC, 0xFC | parameters.chroma_format))
        record += bytes((0xF8 | parameters.luma_bits - 8, 0xF8 | parameters.chroma_bits - 8, 0, 0))
        record.append(parameters.sub_layers << 3 | parameters.nested << 2 | 3)
        record.append(3)
        for kind, sets in ((h265_nal.VPS, self.vps), (h265_nal.SPS, self.sps), (h265_nal.PPS, self.pps)):
            record.append(kind)
            record += len(sets).to_bytes(2, "big")
            for nal in sets:
                record += len(nal).to_bytes(2, "big") + nal
        return bytes(record)


def hevc_codec(entry: str, configuration: bytes) -> str:
    """The codec (RFC 6381) by an 'hvcC' box and the entry it stands in: ISO 14496-15, Annex E.3, as corrected (H5).

    Profile space and profile; compatibility flags, the first one as the lowest bit, in hexadecimal; tier and level; the
    bytes of constraint flags in hexadecimal, without the zeros they end in.
    """
    if len(configuration) < _HEAD_BYTES or configuration[0] != 1:
        raise CodecError(f"a decoder configuration (hvcC) of {len(configuration)} bytes, or none")
    first, level = configuration[1], configuration[12]
    space = ("", "A", "B", "C")[first >> 6]
    compatibility = int(f"{int.from_bytes(configuration[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if first & 0x20 else "L"
    constraints = "".join(f".{byte:X}" for byte in configuration[6:12].rstrip(b"\x00"))
    return f"{entry}.{space}{first & 0x1F}.{compatibility:X}.{tier}{level}{constraints}"


def _with(sets: tuple[bytes, ...], nal: bytes, id_of: Callable[[bytes], int]) -> tuple[bytes, ...]:
    """The sets with this one in the place of its id. Their number is bounded by what ids there are."""
    if len(nal) > MAX_SET_BYTES:
        raise CodecError(f"a parameter set of {len(nal)} bytes, more than {MAX_SET_BYTES}")
    by_id = {id_of(each): each for each in sets}
    by_id[id_of(nal)] = nal
    return tuple(by_id[number] for number in sorted(by_id))


def _sps_id(nal: bytes) -> int:
    return parse_sps(nal).set_id
