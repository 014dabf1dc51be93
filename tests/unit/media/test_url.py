"""Camera URLs: what they are made of, and what they never show."""

from __future__ import annotations

import base64

import pytest

from media.errors import ConfigError
from media.url import CameraUrl, redact


def test_a_url_is_taken_apart() -> None:
    """Scheme, host, port, credentials and the URL for requests."""
    url = CameraUrl.parse("rtsp://hulta:s3cret@10.17.0.11:8554/axis-media/media.amp?camera=1&fps=25")
    assert (url.scheme, url.host, url.port) == ("rtsp", "10.17.0.11", 8554)
    assert (url.username, url.password) == ("hulta", "s3cret")
    assert url.request_url == "rtsp://10.17.0.11:8554/axis-media/media.amp?camera=1&fps=25"


def test_ports_have_defaults() -> None:
    """554 for rtsp, 322 for rtsps; the request URL stays as written."""
    plain, secure = CameraUrl.parse("rtsp://cam/1"), CameraUrl.parse("RTSPS://cam/1")
    assert (plain.port, plain.request_url) == (554, "rtsp://cam/1")
    assert (secure.port, secure.request_url) == (322, "rtsps://cam/1")
    assert plain.username is plain.password is None


def test_credentials_are_percent_decoded() -> None:
    """As RFC 3986 has it."""
    url = CameraUrl.parse("rtsp://a%40b:p%3Aw%2F%25@cam/")
    assert (url.username, url.password) == ("a@b", "p:w/%")


def test_the_last_at_sign_ends_the_password() -> None:
    """People do not encode it."""
    assert CameraUrl.parse("rtsp://u:p@ss@cam/x@y").password == "p@ss"


def test_an_ipv6_host() -> None:
    """In brackets inside the URL, without them as host."""
    url = CameraUrl.parse("rtsp://u:p@[fd00::17]:5540/1")
    assert (url.host, url.port, url.request_url) == ("fd00::17", 5540, "rtsp://[fd00::17]:5540/1")


def test_nothing_shown_holds_a_credential() -> None:
    """Neither str, nor repr, nor a format; not those in the query or path either."""
    url = CameraUrl.parse("rtsp://hulta:s3cret@cam/user=hulta_password=s3cret_channel=1?usr=hulta&pwd=s3cret&q=2")
    for shown in (str(url), repr(url), f"{url}", f"{[url]}"):
        assert "hulta" not in shown
        assert "s3cret" not in shown
    assert str(url) == "rtsp://cam/user=***_password=***_channel=1?usr=***&pwd=***&q=2"


@pytest.mark.parametrize(
    "text",
    ["rtsp://cam/1", "rtsp://u@cam/", "rtsp://u:@cam/", "rtsp://a%40b:p%3Aw%2F%25@cam:99/x?y=z", "rtsps://u:p@[::1]/"],
)
def test_the_unredacted_text_reads_back(text: str) -> None:
    """The one way to store a URL with its credentials."""
    url = CameraUrl.parse(text)
    assert CameraUrl.parse(url.unredacted()) == url


def test_the_longest_credentials_read_back() -> None:
    """In a URL each of their characters may take twelve; what is longer is refused before it is stored."""
    url = CameraUrl.parse("rtsp://cam/" + "x" * 4085).with_credentials("\U0001f4f7" * 256, "\U0001f511" * 256)
    assert CameraUrl.parse(url.unredacted()) == url
    with pytest.raises(ConfigError, match="password of more than 256"):
        url.with_credentials("op", "s" * 257)
    with pytest.raises(ConfigError, match="longer than 4096"):
        CameraUrl.parse("rtsp://cam/" + "x" * 4086)


def test_credentials_given_beside_the_url_replace_its_own() -> None:
    """The rest stays."""
    url = CameraUrl.parse("rtsp://u:p@cam/1").with_credentials("admin", "n/w")
    assert (url.username, url.password, url.request_url) == ("admin", "n/w", "rtsp://cam/1")
    assert url.unredacted() == "rtsp://admin:n%2Fw@cam/1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ftp://cam/1", "'ftp'"),
        ("file:///etc/passwd", "'file'"),
        ("udp://239.1.1.1/", "no port in it, which udp needs"),
        ("cam/1", "no scheme"),
        ("10.0.0.1:554/1", "no scheme"),
        ("", "no scheme"),
        ("rtsp://", "no host"),
        ("rtsp://u:s3cret@/1", "no host"),
        ("rtsp://cam:port/1", "cannot be read"),
        ("rtsp://cam:65536/1", "cannot be read"),
        ("rtsp://u:s3cret/x@cam/1", "cannot be read"),
        ("rtsp://[::1/1", "cannot be read"),
        ("rtsp://cam/a b", "blanks"),
        ("rtsp://cam/a\r\nX: y", "blanks"),
        ("rtsp://cam/" + "a" * 5000, "long"),
        ("s3cret:x://cam/1", "no scheme"),
    ],
)
def test_what_is_no_camera_url_is_refused_by_name(text: str, problem: str) -> None:
    """The message says what is wrong, without the secret."""
    with pytest.raises(ConfigError, match=problem) as caught:
        CameraUrl.parse(text)
    assert "s3cret" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


def test_any_text_can_be_redacted() -> None:
    """URLs inside other messages too."""
    assert redact("no answer from rtsp://u:p@ss@cam/x, gave up") == "no answer from rtsp://***@cam/x, gave up"


def test_what_a_camera_repeats_of_a_login_is_veiled() -> None:
    """As it is, as it stands in a URL, in hex, and as Basic sends it; whole or short ones only as a whole."""
    url = CameraUrl.parse("rtsp://10.0.0.1/").with_credentials("operator", "p/ss wörd")
    forms = ["p/ss wörd", "p%2Fss%20w%C3%B6rd", "p/ss%20w%C3%B6rd", "operator:p/ss wörd", "p/ss wörd".encode().hex()]
    forms += [base64.b64encode("operator:p/ss wörd".encode()).decode()]
    for form in forms:
        assert "p/ss" not in (veiled := url.veiled(f"500 Basic {form}."))
        assert form not in veiled
        assert veiled.startswith("500 Basic ")
    short = url.with_credentials("u", "ok")
    assert short.veiled("200 ok u:ok dTpvaw==") == "200 ok *** ***=="
    assert CameraUrl.parse("rtsp://10.0.0.1/").veiled("500 None") == "500 None"
