"""Pull: from a camera's RTSP stream to durable fragments in the spool.

    assignments.py     what this host is to record: a file the supervisor writes and this package follows
    worker.py          the recording process: one recorder per stream, one run on each disk
    recorder.py        one stream: sessions, backoff, memory bound
    kept_bytes.py      what a stream has in memory until then, and its bound
    disk_need.py       whether the spool's disk can keep up with all of them
    disks.py           which disk a stream is recorded on, and what happens when one fails
    durable.py         how far one stream is durable
    gap_account.py     one stream's gaps, each with its reason; stream_notes.py: what else its journal says
    conditions.py      what is odd about a camera that sends: frozen pictures, a clock that is off
    watch.py           what ends a session that still plays: silence, floods, nothing to record
    source.py          what a recorder records from, however it is reached: the port
    opening.py         which source a camera gets
    client.py          from an approach to a playing session: DESCRIBE, SETUP, PLAY, and what ends it
    approach.py        how a camera is reached, and what earlier sessions learned about it
    connect.py         from an approach to a connection         tls.py       whom we believe to be the camera
    redirect.py        where a camera sends us                  login.py     what is answered to its challenges
    tracks.py          which tracks are taken, and by whom
    carrier.py         how a track's packets get here: on the connection
    udp_carrier.py     as datagrams beside it                   port_pair.py  the sockets for that
    strangers.py       who else sends to them
    session.py         the connection and the hot path: socket -> interleaved -> RTP -> access unit
    read_rounds.py     when it is read: all cameras in common rounds
    keepalive.py       what keeps a session alive               teardown.py  what ends one on the camera's side
    stale.py           what an earlier session still sends, kept away
    policies.py        where we deviate from RTSP because cameras do, each by name
    libav_source.py    an odd device, through libav in a process of its own; libav_child.py: that process
    libav_lines.py     the only connections that process gets; relay.py: TLS in front of it
    libav_order.py     what libav may and may not do; libav_wire.py: what is said between the two
    segmenter.py       access units -> fragments, segments, spans (no I/O)
    segment_sink.py    what it writes into                         segment_bounds.py  how long and how large
    sound.py           the sound beside the pictures (no I/O)
    sound_taker.py     what takes it from the session, and says what is wrong with it
    live_door.py       the live socket: who may watch; live_feed.py: one stream's newest units, while somebody does
    live_held.py       what had come of the present group of pictures before, in memory and in the spool
    backoff.py         when to try again, and how many at once
    still.py           a picture as JPEG; still_child.py: the process that decodes it
    disposable.py      processes that hostile bytes are given to; confinement.py: what they take from themselves
    seccomp.py         system calls among that
    network.py         which addresses a camera may have
    anchored_clock.py  UTC tied to the boot clock

A frame's way: session.buffer_updated -> media.interleaved -> media.rtp -> media.h264 -> recorder._on_unit ->
segmenter.add -> storage.spool (group commit) -> recorder's `appended` callback: durable.

Kept here: I4 (a recorder has a span open or a gap, never neither) and I7 (reading buffer, access unit, kept bytes,
connects and handshakes are bounded). Nothing in this package opens the catalog or the object store.
"""
