"""Cameras that mean harm, in a process of their own: `python -m tests.hostile_camera` prints a port for each kind.

flood    plays, then sends packets as fast as the line takes them
garble   plays, then sends bytes that are no frame
large    plays, then sends one picture that never ends
hang     takes the connection and says nothing
drip     answers a byte at a time, for ever
shout    answers with a head that never ends
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

KINDS = ("flood", "garble", "large", "hang", "drip", "shout")
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==\r\na=control:t\r\n"
)


def shake_hands(connection: socket.socket) -> None:
    """Answer whatever is asked, until PLAY."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            block = connection.recv(65_536)
            if not block:
                raise ConnectionError
            received += block
        head, _, received = received.partition(b"\r\n\r\n")
        method = head.split(b" ", 1)[0]
        sequence = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"cseq"))
        answer = [b"RTSP/1.0 200 OK", sequence, b"Session: 1", b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]
        body = SDP if method == b"DESCRIBE" else b""
        answer += [b"Content-Type: application/sdp", b"Content-Length: %d" % len(body), b"", body]
        connection.sendall(b"\r\n".join(answer))
        if method == b"PLAY":
            return


def packets(first: int, *, marker: bool) -> bytes:
    """Some hundred packets of a picture, as interleaved frames."""
    header = 0x80E0 if marker else 0x8060
    made = []
    for number in range(first, first + 200):
        packet = struct.pack(">HHII", header, number & 0xFFFF, 3600 * number if marker else 1, 7)
        packet += b"\x7c\x05" + os.urandom(1200)
        made.append(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
    return b"".join(made)


def flood(connection: socket.socket) -> None:
    """Pictures of one packet each."""
    shake_hands(connection)
    number = 0
    while True:
        connection.sendall(packets(number, marker=True))
        number += 200


def large(connection: socket.socket) -> None:
    """One that never ends, at 40 Mbit/s: no flood."""
    shake_hands(connection)
    number = 0
    while True:
        connection.sendall(packets(number, marker=False))
        number += 200
        time.sleep(0.05)


def garble(connection: socket.socket) -> None:
    """Nonsense."""
    shake_hands(connection)
    while True:
        connection.sendall(os.urandom(65_536))


def hang(connection: socket.socket) -> None:
    """Silence."""
    while connection.recv(65_536):
        pass


def drip(connection: socket.socket) -> None:
    """A head, in a long time."""
    for letter in b"RTSP/1.0 200 OK\r\nX-Header: " + bytes(b"x" * 16_000):
        connection.sendall(bytes([letter]))
        time.sleep(0.01)


def shout(connection: socket.socket) -> None:
    """A head without end."""
    connection.sendall(b"RTSP/1.0 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: " + b"x" * 1000 + b"\r\n")


def serve(listener: socket.socket, behave: Callable[[socket.socket], None]) -> None:
    """Each connection in its own thread."""

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            behave(connection)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def main() -> None:
    """Until standard input ends."""
    for kind in KINDS:
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=serve, args=(listener, globals()[kind]), daemon=True).start()
        sys.stdout.write(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/{kind}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
