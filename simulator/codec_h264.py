"""Simulated cameras of H.264: libx264, RFC 6184."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from media.h264 import H264Depacketizer, packetize
from media.h264_parameters import ParameterSets
from media.nal import IDR_SLICE, PPS, SLICE, SPS, nal_type
from simulator.codec_nal import BYTE_STREAM, NalCodec, length_prefixed_file, units_of
from simulator.oracle import H264_SEI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit, StreamParameters
    from simulator.codec import FileHeader
    from simulator.encoder import Encoder, Setting

FILLER = 12
"""Filler data (H.264 7.3.2.7): bytes that mean nothing. It stands behind the slices (7.4.1.2.3)."""


class H264(NalCodec):
    """ITU-T H.264."""

    name = "h264"
    live_cameras = 4
    libav = "h264"
    encoding = "H264"
    pictures = range(SLICE, IDR_SLICE + 1)
    sync_pictures = (IDR_SLICE,)
    parameter_types = (SPS, PPS)
    sei_header = H264_SEI

    def kind(self, unit: bytes) -> int:
        """Five bits of the first byte."""
        return nal_type(unit)

    def encoder(self, setting: Setting) -> Encoder:
        """libx264."""
        kbps = (setting.bitrate_bps - 8 * self.mark_bytes * setting.fps) // 1000
        options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            # One second of buffer: key frames may be large, as a camera's are, and the bitrate holds over a second.
            "x264-params": f"sliced-threads=0:scenecut=0:force-cfr=1:keyint=infinite"
            f":vbv-maxrate={kbps}:vbv-bufsize={kbps}"
            f"{':bframes=2:b-adapt=0:b-pyramid=none' if setting.b_frames else ''}",
        }
        return self._encoder("libx264", setting, options)

    def parameters(self, units: Sequence[bytes]) -> ParameterSets | None:
        """SPS and PPS."""
        return ParameterSets.from_nals([*units])

    def fmtp(self, parameters: StreamParameters, *, described: bool) -> str:
        """RFC 6184 8.2."""
        assert isinstance(parameters, ParameterSets)
        sprop = ",".join(base64.b64encode(nal).decode() for nal in (*parameters.sps, *parameters.pps))
        profile_level_id = parameters.sps[0][1:4].hex().upper()
        sets = f";sprop-parameter-sets={sprop}" if described else ""
        return f"packetization-mode=1;profile-level-id={profile_level_id}{sets}"

    def packetize(self, units: Sequence[bytes]) -> list[bytes]:
        """Packetization mode 1."""
        return packetize(units)

    def receive(self, payloads: Sequence[bytes]) -> list[bytes]:
        """The inverse."""
        received: list[AccessUnit] = []
        depacketizer = H264Depacketizer(received.append)
        for index, payload in enumerate(payloads, 1):
            depacketizer.push(payload, 0, len(payload), 0, index == len(payloads), 0)
        return units_of(received)

    def filler(self, size: int) -> bytes:
        """ff_byte ... rbsp_trailing_bits."""
        return bytes((FILLER,)) + b"\xff" * (size - 2) + b"\x80"

    def open_header(self, header: bytes) -> FileHeader:
        """An AVCDecoderConfigurationRecord (ISO 14496-15 5.3.3.1)."""
        if header[:1] != b"\x01":
            return BYTE_STREAM
        nals = []
        position = 5
        for count_mask in (0x1F, 0xFF):
            count = header[position] & count_mask
            position += 1
            for _ in range(count):
                start = position + 2
                position = start + int.from_bytes(header[position:start], "big")
                nals.append(header[start:position])
        return length_prefixed_file(nals, (header[4] & 3) + 1)
