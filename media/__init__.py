"""The kernel: bytes in, values out. No sockets, files, clocks, asyncio or libav.

From the network
    url                what a camera is reached by; never shows its credentials
    rtsp               RTSP messages
    rtsp_fields        the values of their header fields
    rtsp_auth          Digest and Basic, both sides
    sdp                session descriptions
    interleaved        the framing of an RTSP connection            hot path, 1
    rtp                packets: order, loss, foreign sources        hot path, 2
    held_packets       what does not fit the order, until it is clear why
    reorder            datagrams that overtook each other, in order again
    rtcp               the reports beside them
    nal_depacketizer   payloads of NAL units -> access units; nal_parameters: what it asks of their parameter sets
    h264               those of H.264                               hot path, 3
    h264_packetize     access units -> payloads
    h264_parameters    parameter sets, and the description of a stream for a file
    h264_sps           the bits of an SPS
    h265, h265_nal, h265_packetize, h265_parameters, h265_sps       the same of H.265
    bit_reader         the bits of a parameter set
    av1                the same of AV1: payloads -> temporal units
    av1_packetize      temporal units -> payloads
    av1_sequence       its sequence header, and the description of a stream for a file
    av1_obu            OBUs and their sizes
    nal                NAL units, start codes, length prefixes
    codecs             the codecs that can be recorded, one row each
    packet_units       packets of a demuxer -> access units; packet_times: when they are shown
    jpeg               pictures of Motion JPEG
    aac                AAC: payloads -> access units
    aac_config         what an AAC decoder must know
    opus, g711         the same for Opus, and for PCMU and PCMA
    audio_codecs       which sound of a description can be recorded
    audio_description  the description of sound for a file
    access_unit        all coded data of one instant
    timeline           RTP timestamps -> media time -> wall time
    camera_clock       what a camera's own clock says against ours
    lip_sync           how far sound and pictures are apart, by the reports of both
    picture_watch      whether a camera shows anything new
    clock_rate         how fast a camera's clock runs
    host_anchor        UTC on the boot clock

To those who watch
    live_ring          the newest units of a stream, bounded
    live_wire          the messages of the live socket
    decode_order       decode times for units that are passed on at once

Into and out of files (docs/formats/segment.md)
    track              what a file knows about a track
    identity           which segment this is, and the key of its object
    fmp4_write         fragments -> a segment                       hot path, 4
    moof               the header of a fragment                     hot path, 5
    init_section       what a file begins with
    sample_entry       how a file says what its pictures are coded in
    commit             the boxes that make a fragment durable and a segment complete
    closing            the two boxes at a segment's end
    boxes              boxes, and the checked ones that can be believed wherever they are found
    fmp4_read          a segment back
    verification       what a segment proves by itself
    segment_scanner    the scan of one that is open, torn or damaged
    read_window        bounded looks into a file
    fragment_index     the fragments of a segment, in a few bytes each
    sample_table       size, time and sync flag of every sample
    flat_mp4           a progressive file of any range

errors                 the one tree of errors

Invariants
  M1 Whatever the bytes, nothing but the errors of `media.errors` is raised.
  M2 Every buffer and every count that the other side controls has a bound.
  M3 A NAL unit comes out bit-identical and in order, or not at all; what is missing is counted.
  M4 No text made here for logs or people holds a credential.
"""
