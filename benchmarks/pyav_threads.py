"""PyAV as a recorder, as a program: a thread per camera demultiplexes RTSP and writes 10 s MP4 segments.

    python -m benchmarks.pyav_threads FOLDER

`orders.py` says how it is told what to read. Not durable: no sync, no hash.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import av

from benchmarks.orders import Order, await_orders
from benchmarks.reader import CONNECTS_PER_SECOND

SEGMENTS = {"segment_time": "10", "segment_format_options": "movflags=+frag_keyframe+empty_moov+default_base_moof"}


def record(order: Order) -> None:
    """Copy the video of one camera into segments."""
    with (
        av.open(order.url, options={"rtsp_transport": "tcp"}) as source,
        av.open(str(order.folder / "%05d.mp4"), "w", format="segment", options=SEGMENTS) as target,
    ):
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)


def main() -> None:
    """Start a thread per camera; they end with the process."""
    for order in await_orders(Path(sys.argv[1])):
        threading.Thread(target=record, args=(order,), daemon=True).start()
        time.sleep(1 / CONNECTS_PER_SECOND)
    threading.Event().wait()


if __name__ == "__main__":
    main()
