"""RTSP messages, as they are written and as cameras write them."""

from __future__ import annotations

import pytest

from media.errors import RtspError
from media.rtsp import MOST_LINES, Headers, Request, Response, content_base, content_length, parse_head


def test_a_request_is_written_as_the_rfc_has_it() -> None:
    """Start line, fields in order, empty line."""
    request = Request(method="OPTIONS", url="rtsp://cam/1", headers=Headers({"CSeq": "1", "User-Agent": "hulta"}))
    assert request.to_bytes() == b"OPTIONS rtsp://cam/1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: hulta\r\n\r\n"
    assert request.cseq == 1


def test_a_body_brings_its_length() -> None:
    """Unless the length is already among the fields."""
    response = Response(status=200, reason="OK", headers=Headers({"CSeq": "2"}), body=b"v=0\r\n")
    assert response.to_bytes() == b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n"


@pytest.mark.parametrize(
    "message",
    [
        Request(method="SETUP", url="rtsp://cam/1 RTSP/1.0\r\nX: y", headers=Headers()),
        Request(method="SETUP", url="rtsp://cam/1", headers=Headers({"X": "a\nY: b"})),
        Response(status=200, reason="OK\r\n\r\n$"),
    ],
)
def test_a_line_break_cannot_be_smuggled_into_a_message(message: Request | Response) -> None:
    """A control URL comes from the camera and goes into our requests."""
    with pytest.raises(RtspError, match="line break"):
        message.to_bytes()


def test_a_response_is_read() -> None:
    """Status, reason and fields."""
    response = parse_head(b"RTSP/1.0 404 Stream Not Found\r\nCSeq: 3\r\nDate: Sat, 01 Jan 2022 10:00:00 GMT\r\n\r\n")
    assert isinstance(response, Response)
    assert (response.status, response.reason, response.cseq, response.ok) == (404, "Stream Not Found", 3, False)
    assert response.headers["date"] == "Sat, 01 Jan 2022 10:00:00 GMT"


def test_a_request_is_read() -> None:
    """Cameras send some too (quirk S25)."""
    request = parse_head(b"ANNOUNCE rtsp://cam/1 RTSP/1.0\r\nCSeq: 9\r\n\r\n")
    assert isinstance(request, Request)
    assert (request.method, request.url, request.cseq) == ("ANNOUNCE", "rtsp://cam/1", 9)


def test_a_reason_may_be_missing() -> None:
    """And the blank before it."""
    assert parse_head(b"RTSP/1.0 200\r\n\r\n") == Response(status=200)


def test_blanks_around_values_go() -> None:
    """Longse ends CSeq with a blank, VStarcam writes its name differently (quirks S1 S2)."""
    response = parse_head(b"RTSP/1.0 401 Unauthorized \r\nCseq:  1 \r\n\r\n")
    assert response.cseq == 1
    assert parse_head(b"RTSP/1.0 200 OK\r\nCSeq: one\r\n\r\n").cseq is None


def test_a_folded_line_belongs_to_the_field_before() -> None:
    """RFC 2068 allowed it."""
    assert parse_head(b"RTSP/1.0 200 OK\r\nPublic: OPTIONS,\r\n  PLAY\r\n\r\n").headers["Public"] == "OPTIONS, PLAY"


def test_a_field_may_come_twice() -> None:
    """A camera that offers Digest and Basic sends two."""
    headers = Headers([("WWW-Authenticate", "Digest x"), ("CSeq", "1"), ("www-authenticate", "Basic y")])
    assert headers.get_all("WWW-AUTHENTICATE") == ["Digest x", "Basic y"]
    assert headers["www-Authenticate"] == "Digest x"
    assert (len(headers), list(headers)) == (2, ["www-authenticate", "cseq"])
    assert "cseq" in headers
    assert headers.get("Session") is None


@pytest.mark.parametrize(
    "head",
    [b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"RTSP/1.0 abc OK\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\x00"],
)
def test_what_is_no_message_is_refused(head: bytes) -> None:
    """By its start line."""
    with pytest.raises(RtspError, match=r"no RTSP message starts with|a web server answers there"):
        parse_head(head)


def test_a_head_of_too_many_lines_is_refused() -> None:
    """16 KiB have room for thousands, folded ones as well, which are put together again with each."""
    for line in (b"a:\r\n", b" a\r\n"):
        head = b"RTSP/1.0 200 OK\r\nX: y\r\n" + line * (MOST_LINES - 3)
        assert parse_head(head + b"\r\n").headers["X"].startswith("y")
        with pytest.raises(RtspError, match="more than 200 lines"):
            parse_head(head + line + b"\r\n")


def test_a_line_without_a_name_is_refused() -> None:
    """It would belong to nothing."""
    with pytest.raises(RtspError, match="without a field name"):
        parse_head(b"RTSP/1.0 200 OK\r\nno colon here\r\n\r\n")


def test_messages_do_not_show_credentials() -> None:
    """Neither those of the Authorization field nor those inside URLs."""
    request = Request(
        method="PLAY", url="rtsp://u:s3cret@cam/?pwd=s3cret", headers=Headers({"Authorization": "Basic s3cret"})
    )
    assert "s3cret" not in repr(request)
    assert repr(request).startswith("Request(PLAY rtsp://***@cam/?pwd=***, ")
    with pytest.raises(RtspError) as caught:
        parse_head(b"X rtsp://u:s3cret@cam/\r\n\r\n")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("value", "size"), [("0", 0), (" 12 ", 12), ("0012", 12)])
def test_the_length_of_a_body(value: str, size: int) -> None:
    """A decimal number."""
    assert content_length(Headers({"content-length": value})) == size


@pytest.mark.parametrize("values", [["-1"], ["1e3"], ["1", "2"], ["99999999999999999999"], ["٣"], [""]])
def test_a_nonsense_length_is_refused(values: list[str]) -> None:
    """The framing would be lost."""
    with pytest.raises(RtspError, match="Content-Length"):
        content_length(Headers([("Content-Length", value) for value in values]))


@pytest.mark.parametrize(
    ("fields", "base"),
    [
        ({}, "rtsp://cam:8554/live?x=1"),
        ({"Content-Base": "rtsp://cam/live/"}, "rtsp://cam/live/"),
        ({"Content-Location": "rtsp://cam/other"}, "rtsp://cam/other"),
        ({"Content-Base": "192.168.1.10:554/stream0/"}, "rtsp://192.168.1.10:554/stream0/"),
        ({"Content-Base": "/stream0/"}, "rtsp://cam:8554/stream0/"),
        ({"Content-Base": ""}, "rtsp://cam:8554/live?x=1"),
    ],
)
def test_what_control_urls_are_relative_to(fields: dict[str, str], base: str) -> None:
    """Content-Base, Content-Location or the request URL; Anjvision leaves out the scheme (quirk S6)."""
    assert content_base(Response(status=200, headers=Headers(fields)), "rtsp://cam:8554/live?x=1") == base


def test_a_status_has_three_digits() -> None:
    """And no fewer, nor digits of other scripts."""
    for status in ("020", "000", "20", "٢٠٠"):
        with pytest.raises(RtspError):
            parse_head(f"RTSP/1.0 {status} OK\r\n\r\n".encode())


def test_only_line_breaks_break_lines() -> None:
    """A camera's name may hold what Python takes for one; a folded line goes on with nothing, too."""
    message = parse_head("RTSP/1.0 200 OK\r\nServer: a\x1cb\x85c\u2028d\r\nX:\r\n y\r\n\r\n".encode())
    assert message.headers["Server"] == "a\x1cb\x85c\u2028d"
    assert message.headers["X"] == "y"


def test_a_web_server_is_called_one() -> None:
    """It is what most often listens at the port that somebody mistook for RTSP's."""
    with pytest.raises(
        RtspError, match=r"a web server answers there, not a camera's RTSP: 'HTTP/1\.1 400 Bad Request'"
    ):
        parse_head(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")


def test_what_is_shown_of_a_message_is_redacted_before_it_is_cut() -> None:
    """The cut would take away what a login is known by."""
    with pytest.raises(RtspError) as caught:
        parse_head(b"rtsp://operator:canary-of-a-password-that-is-long@10.0.0.1/\r\n\r\n")
    assert "canary" not in str(caught.value)
