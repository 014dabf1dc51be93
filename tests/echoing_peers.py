"""Peers that repeat what they are told: whoever prints their words prints what he sent them.

A camera that puts the login it got into its status line, a header and a body; one that sends its client elsewhere; an
S3 server that refuses every request with an error document in which the request's headers stand; a database that
refuses a password by name.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[bytes, bytes], bytes]  # CSeq line and Authorization line of a request to its answer


def echo(sequence: bytes, login: bytes) -> bytes:
    """Ask for a login, then fail with it in every place there is."""
    if not login:
        return b'RTSP/1.0 401 Unauthorized\r\n%b\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n' % sequence
    word = login.partition(b": ")[2]
    head = b"RTSP/1.0 500 Refused %b\r\n%b\r\nServer: %b\r\nContent-Length: %d\r\n\r\n%b"
    return head % (word, sequence, word, len(word), word)


def redirect_to(place: str) -> Answer:
    """Ask for a login, then send the client to another host."""

    def answer(sequence: bytes, login: bytes) -> bytes:
        if not login:
            return echo(sequence, b"")
        return b"RTSP/1.0 302 Moved %b\r\n%b\r\nLocation: %b\r\n\r\n" % (login, sequence, place.encode())

    return answer


@contextmanager
def camera(answer: Answer, *, host: str = "127.0.0.1") -> Iterator[tuple[int, list[bytes]]]:
    """An RTSP server; its port, and what it heard."""
    heard: list[bytes] = []
    server = socket.create_server((host, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=_converse, args=(connection, answer, heard), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1], heard
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _converse(connection: socket.socket, answer: Answer, heard: list[bytes]) -> None:
    received = b""
    with connection, suppress(OSError):
        while block := connection.recv(65_536):
            heard.append(block)
            received += block
            while b"\r\n\r\n" in received:
                head, _, received = received.partition(b"\r\n\r\n")
                lines = {line.lower().partition(b":")[0]: line for line in head.split(b"\r\n")}
                connection.sendall(answer(lines.get(b"cseq", b""), lines.get(b"authorization", b"")))


class _Refusing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        words = "".join(f"{name}: {value} " for name, value in self.headers.items())
        body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{words}</Message></Error>".encode()
        self.send_response(403, "Forbidden")
        self.send_header("Content-Type", "application/xml")
        self.send_header("x-amz-request-id", words.strip())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _refuse  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def refusing_store() -> Iterator[str]:
    """An S3 server that lets nobody in; its endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def refusing_database() -> Iterator[int]:
    """A PostgreSQL server that asks for the password as it is, and refuses it by name; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=_refuse_login, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _refuse_login(connection: socket.socket) -> None:
    """The messages of PostgreSQL's protocol 3.0: SSLRequest, StartupMessage, PasswordMessage, ErrorResponse."""
    with connection, suppress(OSError, struct.error):
        (length,) = struct.unpack("!I", connection.recv(4))
        if connection.recv(length - 4)[:4] == struct.pack("!I", 80_877_103):
            connection.sendall(b"N")
            (length,) = struct.unpack("!I", connection.recv(4))
            connection.recv(length - 4)
        connection.sendall(b"R" + struct.pack("!II", 8, 3))
        password = connection.recv(1024)[5:].rstrip(b"\0")
        fields = b"SFATAL\0VFATAL\0C28P01\0Mno " + password + b" here\0D" + password + b"\0H" + password + b"\0\0"
        connection.sendall(b"E" + struct.pack("!I", 4 + len(fields)) + fields)
