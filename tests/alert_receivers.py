"""Where alerts go in tests: a real web server and a real mail server, with certificates of their own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

LOGIN = ("duty", "s3cret-mail")


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "receiver.pem", directory / "receiver.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def tls_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@dataclass
class Posted:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebReceiver:
    """A web server that keeps what it gets. `answers` are the statuses of the next requests; then 204."""

    port: int
    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    location: str = ""


@contextmanager
def web_receiver(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[WebReceiver]:
    """It runs for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = WebReceiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailReceiver:
    """A mail server that keeps what it takes."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuse: bool = False

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """A mail."""
        if self.refuse:
            return "451 not now"
        self.recipients.append(list(envelope.rcpt_tos))
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


class _Connection(SMTP):
    """Remembers what it was connected by, so that nothing is left open at the end."""

    transports: list[asyncio.Transport]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called again after STARTTLS, with another one."""
        assert isinstance(transport, asyncio.Transport)
        self.transports.append(transport)
        super().connection_made(transport)


class _MailServer(Controller):
    """A controller that ends its connections before its loop: a client that hung up just then left them open."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._transports: list[asyncio.Transport] = []
        super().__init__(*args, **options)

    def factory(self) -> SMTP:
        """See `Controller.factory`."""
        connection = _Connection(self.handler, **self.SMTP_kwargs)
        connection.transports = self._transports
        return connection

    async def hang_up(self) -> None:
        """Every connection; they are closed in the loop's next turn."""
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0)


@contextmanager
def mail_receiver(context: ssl.SSLContext | None, port: int = 0) -> Iterator[MailReceiver]:
    """It runs for the length of the block; with a context it wants STARTTLS and a login."""

    def authenticate(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        right = isinstance(login, LoginPassword) and (login.login, login.password) == tuple(
            text.encode() for text in LOGIN
        )
        return AuthResult(success=right, handled=False)

    receiver = MailReceiver(port=port or free_port())
    secure = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": authenticate}
    controller = _MailServer(receiver, hostname="127.0.0.1", port=receiver.port, **(secure if context else {}))
    controller.start()
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(controller.hang_up(), controller.loop).result(5)
        controller.stop()
