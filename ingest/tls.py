r"""RTSP inside TLS (RFC 2326 with RFC 7826 19): whom we believe to be the camera.

Either its certificate is signed by an authority that is trusted, and names the host or address of the URL; or, for the
many cameras that sign for themselves, its public key is the one that the operator wrote down:

    openssl s_client -connect 10.17.0.11:322 </dev/null | openssl x509 -pubkey -noout \\
      | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64

Nothing is said to anybody else, so no password either.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from media.errors import GapReason, SourceError

if TYPE_CHECKING:
    from ingest.approach import Approach

PIN_PREFIX = "sha256/"


def context_for(approach: Approach) -> ssl.SSLContext:
    """What a connection to this camera is made with. SourceError `tls` for a file of authorities that is none."""
    if approach.tls_pin:
        return _pinned_context()
    if not approach.tls_ca:
        return _context("", 0)
    try:
        return _context(approach.tls_ca, Path(approach.tls_ca).stat().st_mtime_ns)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SourceError(GapReason.TLS, f"tls_ca {approach.tls_ca}: {why}") from error


def check_pin(certificate: bytes | None, pin: str) -> None:
    """SourceError `tls` unless the certificate's public key is the one that `pin` names."""
    found = pin_of(certificate or b"")
    if not hmac.compare_digest(found, pin):
        raise SourceError(
            GapReason.TLS,
            f"the camera's key is {found}, not the one that is pinned",
            hint="a camera that was replaced or reset has another key: write it as `tls_pin` if it is yours",
        )


def pin_of(certificate: bytes) -> str:
    """The pin of a certificate (DER): of its public key, so that a renewed certificate of the same key goes on."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # whatever a camera's certificate makes of the library
        raise SourceError(GapReason.TLS, f"the camera's certificate cannot be read: {type(error).__name__}") from error
    return PIN_PREFIX + base64.b64encode(hashlib.sha256(encoded).digest()).decode()


def refusal(where: str, error: ssl.SSLError) -> SourceError:
    """Why there is no connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return SourceError(
            GapReason.TLS,
            f"{where}: its certificate is not accepted: {error.verify_message}",
            hint="name its authority as `tls_ca`, or its key as `tls_pin`",
        )
    return SourceError(GapReason.TLS, f"{where}: no TLS 1.2 or newer: {error.reason or type(error).__name__}")


@lru_cache(maxsize=64)
def _context(authorities: str, _changed_ns: int) -> ssl.SSLContext:
    """One for all cameras with the same authorities: to read those of a system takes 10 ms and more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities:
        context.load_verify_locations(authorities)
    else:
        context.load_default_certs()
    return context


@lru_cache(maxsize=1)
def _pinned_context() -> ssl.SSLContext:
    """Names, dates and signatures do not count where the key is known; that the camera has the key, it proves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
