"""The parameter sets of an H.264 stream, and the sample entry a file describes it by."""

from __future__ import annotations

from dataclasses import dataclass

from media import nal as nal_units
from media.boxes import box
from media.errors import CodecError
from media.h264_sps import SequenceParameters, parse_pps_id, parse_sps, parse_sps_id
from media.sample_entry import visual_entry
from media.track import Track

# Real sets have 10 to 300 bytes. The bound keeps 32 + 256 hostile ones from holding more than a megabyte.
MAX_SET_BYTES = 4096
# ISO 14496-15, 5.3.3.1 has room for 31 and 255. No camera is known to use more than two of each, and each more makes
# it dearer to learn one.
MOST_SPS, MOST_PPS = 8, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSets:
    """The current SPS and PPS of a stream, ordered by id. Equal when their bytes are."""

    sps: tuple[bytes, ...] = ()
    pps: tuple[bytes, ...] = ()

    @classmethod
    def from_nals(cls, nals: list[bytes]) -> ParameterSets | None:
        """The sets among some NAL units; None unless a usable SPS and a PPS are there."""
        sets = cls()
        for nal in nals:
            try:
                sets = sets.updated(nal)
            except CodecError:
                continue  # sprop junk (quirk V6): in-band sets will follow
        return sets if sets.complete else None

    @classmethod
    def from_sprop(cls, text: str) -> ParameterSets | None:
        """Read `sprop-parameter-sets` (RFC 6184 8.1); None where a camera wrote junk into it."""
        return cls.from_nals(nal_units.split_sprop(text))

    @property
    def complete(self) -> bool:
        """Whether a decoder could start with these."""
        return bool(self.sps and self.pps)

    def updated(self, nal: bytes) -> ParameterSets:
        """These sets with one SPS or PPS put in the place of its id; `self` when nothing changes.

        Other NAL units change nothing. `CodecError` for a set that could not describe a stream.
        """
        if not nal or nal in self.sps or nal in self.pps:
            return self
        kind = nal[0] & (nal_units.FORBIDDEN_BIT | nal_units.TYPE_MASK)
        if kind not in (nal_units.SPS, nal_units.PPS):
            return self
        if len(nal) > MAX_SET_BYTES:
            raise CodecError(f"a parameter set of {len(nal)} bytes, more than {MAX_SET_BYTES}")
        if kind == nal_units.SPS:
            others = {parse_sps_id(sps): sps for sps in self.sps}
            updated = ParameterSets(sps=_by_id(others, parse_sps(nal).set_id, nal), pps=self.pps)
        else:
            others = {parse_pps_id(pps): pps for pps in self.pps}
            updated = ParameterSets(sps=self.sps, pps=_by_id(others, parse_pps_id(nal), nal))
        if len(updated.sps) > MOST_SPS or len(updated.pps) > MOST_PPS:
            raise CodecError(f"more than {MOST_SPS} SPS or {MOST_PPS} PPS")
        return updated

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file. Size and codec are those of the SPS with the lowest id."""
        if not self.complete:
            raise CodecError("a stream cannot be described without an SPS and a PPS")
        parameters = parse_sps(self.sps[0])
        return Track(
            kind="video",
            timescale=timescale,
            codec=parameters.codec,
            width=parameters.width,
            height=parameters.height,
            sample_entry=self._sample_entry(parameters),
        )

    def _sample_entry(self, parameters: SequenceParameters) -> bytes:
        configuration = box(b"avcC", self._configuration(parameters))
        return visual_entry(b"avc1", parameters.width, parameters.height, configuration)

    def _configuration(self, parameters: SequenceParameters) -> bytes:
        """AVCDecoderConfigurationRecord, ISO 14496-15, 5.3.3.1, with NAL lengths of 4 bytes."""
        if len(self.sps) > MOST_SPS or len(self.pps) > MOST_PPS:
            raise CodecError(f"{len(self.sps)} SPS and {len(self.pps)} PPS are more than {MOST_SPS} and {MOST_PPS}")
        record = bytearray((1, parameters.profile, parameters.compatibility, parameters.level, 0xFC | 3))
        record.append(0xE0 | len(self.sps))
        for nal in self.sps:
            record += len(nal).to_bytes(2, "big") + nal
        record.append(len(self.pps))
        for nal in self.pps:
            record += len(nal).to_bytes(2, "big") + nal
        if parameters.has_chroma_fields:
            record.append(0xFC | parameters.chroma_format)
            record += bytes((0xF8 | parameters.luma_bits - 8, 0xF8 | parameters.chroma_bits - 8, 0))
        return bytes(record)


def _by_id(others: dict[int, bytes], set_id: int, nal: bytes) -> tuple[bytes, ...]:
    others[set_id] = nal
    return tuple(others[number] for number in sorted(others))


def avc_codec(entry: str, configuration: bytes) -> str:
    """The codec (RFC 6381 3.3) by an 'avcC' box and the entry it stands in."""
    if len(configuration) < 7:
        raise CodecError(f"a decoder configuration (avcC) of {len(configuration)} bytes, or none")
    return f"{entry}.{configuration[1:4].hex()}"
