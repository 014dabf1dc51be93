"""Simulated cameras of H.265: libx265, RFC 7798."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h265 import H265Depacketizer
from media.h265_nal import BLA_W_LP, FILLER, FIRST_NON_VCL, PPS, RSV_IRAP_VCL23, SPS, VPS, nal_type
from media.h265_packetize import packetize
from media.h265_parameters import H265ParameterSets
from simulator.codec_nal import BYTE_STREAM, NalCodec, length_prefixed_file, units_of
from simulator.oracle import H265_SEI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit, StreamParameters
    from simulator.codec import FileHeader
    from simulator.encoder import Encoder, Setting

_ARRAYS_AT = 22  # in an HEVCDecoderConfigurationRecord


class H265(NalCodec):
    """ITU-T H.265."""

    name = "h265"
    live_cameras = 1
    libav = "hevc"
    encoding = "H265"
    pictures = range(FIRST_NON_VCL)
    sync_pictures = range(BLA_W_LP, RSV_IRAP_VCL23 + 1)
    parameter_types = (VPS, SPS, PPS)
    sei_header = H265_SEI

    def kind(self, unit: bytes) -> int:
        """Six bits of the first byte."""
        return nal_type(unit)

    def encoder(self, setting: Setting) -> Encoder:
        """libx265, in the process's own threads: cameras are many, cores few."""
        kbps = (setting.bitrate_bps - 8 * self.mark_bytes * setting.fps) // 1000
        options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            # As libx264 is told. Blocks of one size and no search for better ones: 12 ms a picture instead of 27.
            "x265-params": "log-level=error:pools=none:frame-threads=1:wpp=0:slices=1:scenecut=0:open-gop=0"
            ":ctu=16:min-cu-size=16:max-tu-size=16:rd=1"
            f":keyint=-1:strict-cbr=1:vbv-maxrate={kbps}:vbv-bufsize={kbps}"
            f"{':bframes=2:b-adapt=0:b-pyramid=0:rc-lookahead=3' if setting.b_frames else ''}",
        }
        return self._encoder("libx265", setting, options)

    def parameters(self, units: Sequence[bytes]) -> H265ParameterSets | None:
        """VPS, SPS and PPS."""
        return H265ParameterSets.from_nals(units)

    def fmtp(self, parameters: StreamParameters, *, described: bool) -> str:
        """RFC 7798 7.1. Without the sets there is nothing that must be said."""
        assert isinstance(parameters, H265ParameterSets)
        if not described:
            return ""
        sets = (("vps", parameters.vps), ("sps", parameters.sps), ("pps", parameters.pps))
        return ";".join(
            f"sprop-{name}={','.join(base64.b64encode(nal).decode() for nal in nals)}" for name, nals in sets
        )

    def packetize(self, units: Sequence[bytes]) -> list[bytes]:
        """In sending order."""
        return packetize(units)

    def receive(self, payloads: Sequence[bytes]) -> list[bytes]:
        """The inverse."""
        received: list[AccessUnit] = []
        depacketizer = H265Depacketizer(received.append)
        for index, payload in enumerate(payloads, 1):
            depacketizer.push(payload, 0, len(payload), 0, index == len(payloads), 0)
        return units_of(received)

    def filler(self, size: int) -> bytes:
        """ff_byte ... rbsp_trailing_bits (H.265 7.3.2.8)."""
        return bytes((FILLER << 1, 1)) + b"\xff" * max(0, size - 3) + b"\x80"

    def open_header(self, header: bytes) -> FileHeader:
        """An HEVCDecoderConfigurationRecord (ISO 14496-15 8.3.3.1)."""
        if header[:1] != b"\x01":
            return BYTE_STREAM
        if len(header) <= _ARRAYS_AT:
            raise CodecError(f"a decoder configuration (hvcC) of {len(header)} bytes")
        nals = []
        position = _ARRAYS_AT + 1
        for _ in range(header[_ARRAYS_AT]):
            count = int.from_bytes(header[position + 1 : position + 3], "big")
            position += 3
            for _ in range(count):
                start = position + 2
                position = start + int.from_bytes(header[position:start], "big")
                nals.append(header[start:position])
        return length_prefixed_file(nals, (header[21] & 3) + 1)
