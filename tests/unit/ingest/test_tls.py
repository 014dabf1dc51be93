"""RTSP inside TLS: who is believed to be the camera, and that nobody else hears a word."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ingest import tls
from ingest.approach import Approach
from ingest.connect import connect
from ingest.redirect import follow
from media.errors import GapReason, SourceError
from media.url import CameraUrl
from storage.clock import FakeClock
from tests.builders_recorded import numbers
from tests.builders_scripted_camera import Turn, conversation, described, filmed, refusal
from tests.certificates import LOOPBACK, Certified, certify

URL = "rtsps://op:secret@127.0.0.1:{port}/cam"
NAMED = "rtsps://op:secret@localhost:{port}/cam"
LOCALHOST = x509.DNSName("localhost")


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """One that the operator trusts."""
    return certify(tmp_path_factory.mktemp("authority") / "authority.pem")


async def _refused(server: ssl.SSLContext, url: str = URL, **assigned: Any) -> str:
    """Why there is no session; whoever it was has heard nothing."""
    async with filmed(url=url, tls=server, **assigned) as film:
        state = film.rig.recorder.state()
    assert (state["state"], state["reason"]) == ("failed", "tls"), state
    assert film.camera.requests == []
    assert "secret" not in str(film.rig.spool.notes) + str(state)
    return str(state["detail"])


@pytest.mark.parametrize(("url", "name"), [(URL, LOOPBACK), (NAMED, LOCALHOST)])
async def test_a_camera_whose_certificate_the_authority_signed_is_recorded(
    tmp_path: Path, authority: Certified, url: str, name: x509.GeneralName
) -> None:
    """For its address or its name; pictures, requests and the password all go inside."""
    camera = certify(tmp_path / "camera.pem", by=authority, names=(name,))
    asks = [Turn("^DESCRIBE ", refusal(401, 'WWW-Authenticate: Basic realm="r"')), Turn("^DESCRIBE ", described())]
    async with filmed(
        conversation(describe=asks), url=url, tls=camera.server_context(), tls_ca=str(authority.path)
    ) as film:
        await film.play(30)
    assert numbers(film.record()) == list(range(30))
    assert "Authorization: Basic" in film.camera.requests[1]


async def test_inside_tls_a_password_may_go_as_it_is_after_digest(tmp_path: Path, authority: Certified) -> None:
    """Nobody reads along there, and the camera is who it says."""
    camera = certify(tmp_path / "camera.pem", by=authority)
    digest, basic = (
        "WWW-Authenticate: " + kind for kind in ('Digest realm="r", nonce="n", qop="x"', 'Basic realm="r"')
    )
    asks = [Turn("^DESCRIBE ", refusal(401, digest, basic)), Turn("^DESCRIBE [\\s\\S]*: Basic ", described())]
    async with filmed(
        conversation(describe=asks), url=URL, tls=camera.server_context(), tls_ca=str(authority.path)
    ) as film:
        await film.play(2)
    assert numbers(film.record()) == [0, 1]


@pytest.mark.parametrize(
    ("name", "end", "url", "words"),
    [
        (x509.IPAddress(IPv4Address("127.0.0.9")), None, URL, "IP address mismatch"),
        (LOCALHOST, None, URL, "IP address mismatch"),
        (x509.DNSName("other.example"), None, NAMED, "Hostname mismatch"),
        (LOOPBACK, None, NAMED, "Hostname mismatch"),
        (LOOPBACK, datetime(2026, 1, 1, tzinfo=UTC), URL, "certificate has expired"),
    ],
)
async def test_a_certificate_of_another_name_or_time_is_refused(  # noqa: PLR0917 - a row of the table
    tmp_path: Path, authority: Certified, name: x509.GeneralName, end: datetime | None, url: str, words: str
) -> None:
    """Signed by the right authority."""
    ending = {} if end is None else {"end": end}
    camera = certify(tmp_path / "camera.pem", by=authority, names=(name,), **ending)
    assert words in await _refused(camera.server_context(), url, tls_ca=str(authority.path))


async def test_another_authority_is_refused(tmp_path: Path, authority: Certified) -> None:
    """Of the same name; so is a camera that signs for itself, and this host's own list knows neither."""
    other = certify(tmp_path / "authority.pem")
    camera = certify(tmp_path / "camera.pem", by=other)
    signed = await _refused(camera.server_context(), tls_ca=str(authority.path))
    assert "certificate signature failure" in signed
    alone = certify(tmp_path / "alone.pem")
    assert "self-signed certificate" in await _refused(alone.server_context(), tls_ca=str(authority.path))
    assert "self-signed certificate" in await _refused(alone.server_context())


async def test_a_pinned_key_is_the_camera_whatever_its_certificate_says(tmp_path: Path) -> None:
    """Expired, for another name, signed by itself; and also after it was renewed with the same key."""
    old = certify(tmp_path / "old.pem", names=(LOCALHOST,), end=datetime(2021, 1, 1, tzinfo=UTC))
    renewed = certify(tmp_path / "new.pem", key=old.key)
    for camera in (old, renewed):
        async with filmed(url=URL, tls=camera.server_context(), tls_pin=tls.pin_of(old.der)) as film:
            await film.play(5)
        assert numbers(film.record()) == list(range(5))


async def test_another_key_than_the_pinned_one_is_refused(tmp_path: Path, authority: Certified) -> None:
    """Though an authority signed it that everybody trusts: a pin takes the place of that. It says which key it met."""
    camera, other = certify(tmp_path / "camera.pem", by=authority), certify(tmp_path / "other.pem")
    detail = await _refused(camera.server_context(), tls_pin=tls.pin_of(other.der))
    assert detail == f"the camera's key is {tls.pin_of(camera.der)}, not the one that is pinned"


def test_a_pin_is_what_openssl_says(tmp_path: Path) -> None:
    """By the commands in docs/cameras.md."""
    camera = certify(tmp_path / "camera.pem")
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", camera.path], check=True, capture_output=True)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "der"], input=key.stdout, check=True, capture_output=True
    )
    assert tls.pin_of(camera.der) == "sha256/" + base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x03\x02\x01\x01"])
def test_a_certificate_that_is_none_is_refused_in_words(junk: bytes) -> None:
    """Whatever it makes of the library that reads it."""
    with pytest.raises(SourceError, match="cannot be read") as caught:
        tls.check_pin(junk, "sha256/x")
    assert caught.value.reason is GapReason.TLS


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_file_of_authorities_that_is_none_names_itself(tmp_path: Path, content: bytes | None) -> None:
    """It is not replaced by something that trusts more."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    camera = certify(tmp_path / "camera.pem")
    assert f"tls_ca {path}: " in await _refused(camera.server_context(), tls_ca=str(path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_tls_1_1_is_refused(tmp_path: Path, authority: Certified) -> None:
    """Broken since 2011."""
    server = certify(tmp_path / "camera.pem", by=authority).server_context()
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_1
    assert "no TLS 1.2 or newer" in await _refused(server, tls_ca=str(authority.path))


async def test_a_camera_that_speaks_no_tls_is_told_apart(authority: Certified) -> None:
    """The usual mistake: rtsps:// and the port of rtsp://."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"RTSP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, filmed(url=f"rtsps://127.0.0.1:{port}/", tls_ca=str(authority.path)) as film:
        state = film.rig.recorder.state()
    assert state["reason"] == "tls"


async def test_no_redirect_leads_out_of_tls(tmp_path: Path, authority: Certified) -> None:
    """To the same host either."""
    camera = certify(tmp_path / "camera.pem", by=authority)
    turns = conversation(describe=refusal(302, "Location: rtsp://127.0.0.1:{port}/cam"))
    async with filmed(turns, url=URL, tls=camera.server_context(), tls_ca=str(authority.path)) as film:
        state = film.rig.recorder.state()
    assert (state["reason"], len(film.camera.lines)) == ("tls", 1)
    assert "not encrypted" in state["detail"]


async def test_a_redirect_into_tls_takes_what_is_known_of_the_camera_along(tmp_path: Path) -> None:
    """A pinned key is asked for wherever the camera sends us; another host has it, or is not the camera."""
    camera, other = certify(tmp_path / "camera.pem"), certify(tmp_path / "other.pem")
    for key in (camera, other):
        approach = Approach(url=CameraUrl.parse("rtsp://op:secret@localhost/"), tls_pin=tls.pin_of(camera.der))
        ended = asyncio.Event()

        async def answer(_reader: asyncio.StreamReader, _writer: object, ended: asyncio.Event = ended) -> None:
            await ended.wait()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=key.server_context())
        port = server.sockets[0].getsockname()[1]
        elsewhere = follow(approach, approach.url, f"rtsps://127.0.0.1:{port}/cam")
        elsewhere = replace(elsewhere, networks=("127.0.0.0/8",))
        if key is camera:
            (await connect(elsewhere, FakeClock())).close()
        else:
            with pytest.raises(SourceError, match="not the one that is pinned"):
                await connect(elsewhere, FakeClock())
        ended.set()
        server.close()


async def test_a_redirect_into_tls_is_not_followed_over_udp() -> None:
    """The packets beside it would not be encrypted."""
    turns = conversation(describe=refusal(302, "Location: rtsps://127.0.0.1:{port}/cam"))
    async with filmed(turns, transport="udp") as film:
        state = film.rig.recorder.state()
    assert (state["reason"], len(film.camera.lines)) == ("unsupported", 1)
    assert "would not be encrypted" in state["detail"]


async def test_packets_do_not_go_unencrypted_beside_an_encrypted_session(authority: Certified) -> None:
    """Not even a connection is made."""
    async with filmed(url=URL, transport="udp", tls_ca=str(authority.path)) as film:
        state = film.rig.recorder.state()
    assert (state["reason"], film.camera.lines) == ("unsupported", [])
