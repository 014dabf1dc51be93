"""Give back: from a question about time to spans, bytes and pictures.

    library       the questions: timeline, calendar, video, playlist, segment, frame
    timerange     RFC 3339 in and out; half-open ranges
    timeline      what is there and what is not: every instant exactly one of span, gap, expired, missing, pending
    calendar      which hours of months have footage
    footage       segments of a stream from catalog and spool, merged by identity; their tables and bytes
    slices        which samples of a segment a range needs, and which of them are shown
    file_time     where the slices lie in the time of one file
    sound         what is heard in the slices
    payload       where a slice's samples are in the segment's file
    video         one flat mp4 of exactly a range, described before its first byte and made as it is read
    virtual_file  a file of parts: any byte range by touching only the parts in it
    pictures_file a segment without its sound, for those who refuse that
    hls           a playlist of byte ranges into the segments
    frame         the picture on screen at an instant, as JPEG

Live, from the recorder's socket: nothing of it touches a file
    live_hub      which cameras are watched, and by how many
    live_camera   one subscription to the recorder, shared by all who watch a camera
    live_counts   what viewers met
    live_muxer    access units -> fragments of one unit each
    whep          sessions over WebRTC            whep_offer     what a browser offers, and what of it fits
    whep_call     one connection, by aiortc       whep_pictures  access units -> RTP

Not here: HTTP and WebSockets (server/).

What holds:
- I4: no instant since a camera was enabled is silently absent from the timeline.
- A range shows exactly the frames whose presentation time lies in it; ranges that touch share none and lose none.
- Bytes and ETag depend on immutable facts only: the same from an open file, a sealed or recovered one, and an object.
- The size is known before the first byte; memory grows by some kilobytes for each segment of the range, not by footage.
- Nothing past the last durable fragment is ever given out, but for live pictures, which are no footage yet.
"""
