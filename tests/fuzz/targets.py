"""Every target by name: a function of some bytes that raises only where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.fuzz import codecs, files, odd, packets, texts

TARGETS: dict[str, Callable[[bytes], None]] = {
    "rtsp-message": texts.rtsp_message,
    "rtsp-fields": texts.rtsp_fields,
    "rtsp-auth": texts.rtsp_auth_fields,
    "sdp": texts.sdp_description,
    "camera-url": texts.camera_url,
    "interleaved": packets.interleaved_framing,
    "rtp": packets.rtp_packets,
    "reorder": packets.reordered_packets,
    "rtcp": packets.rtcp_packets,
    **{name: partial(codecs.depacketize_pictures, codec) for name, codec in codecs.PICTURES.items()},
    "h264-sets": codecs.h264_parameter_sets,
    "h265-sets": codecs.h265_parameter_sets,
    "sprop": codecs.sprop_parameter_sets,
    "av1": codecs.av1_payloads,
    "av1-units": codecs.av1_units,
    "av1-sequence": codecs.av1_sequence_header,
    **{name: partial(codecs.depacketize_sound, section) for name, section in codecs.SOUNDS.items()},
    "aac-config": codecs.aac_config,
    "jpeg": odd.jpeg_pictures,
    "libav-messages": odd.messages,
    "libav-packets": odd.demuxed_packets,
    "segment": files.segment_files,
    "boxes": files.file_boxes,
}
