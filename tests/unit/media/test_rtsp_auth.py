"""Digest and Basic authentication, both sides, by the examples of the RFCs."""

from __future__ import annotations

import pytest

from media.rtsp import Headers
from media.rtsp_auth import Challenge, authorize, parse_challenges, verify

RFC_7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RFC_7616_CHALLENGES = [
    (
        "WWW-Authenticate",
        (
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
            f'nonce="{RFC_7616_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        ),
    )
    for algorithm in ("SHA-256", "MD5")
]


def answer(challenges: list[tuple[str, str]], user: str = "Mufasa", password: str = "Circle of Life") -> str | None:
    """The Authorization field for a GET of the page in the RFCs' examples."""
    return authorize(
        parse_challenges(Headers(challenges)),
        "GET",
        "/dir/index.html",
        user,
        password,
        nonce_count=1,
        cnonce=RFC_7616_CNONCE,
    )


@pytest.mark.parametrize(
    ("challenge", "response"),
    [
        (0, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (1, "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_examples_of_rfc_7616(challenge: int, response: str) -> None:
    """Section 3.9.1: SHA-256 and MD5 with qop=auth."""
    header = answer([RFC_7616_CHALLENGES[challenge]])
    assert header is not None
    assert f'response="{response}"' in header
    for part in ("qop=auth, nc=00000001, ", f'cnonce="{RFC_7616_CNONCE}"', 'uri="/dir/index.html"', 'opaque="FQhe'):
        assert part in header


def test_the_example_of_rfc_2617() -> None:
    """Section 3.5."""
    challenge = Challenge(
        scheme="Digest",
        realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        qop=("auth", "auth-int"),
    )
    header = authorize(
        [challenge], "GET", "/dir/index.html", "Mufasa", "Circle Of Life", nonce_count=1, cnonce="0a4f113b"
    )
    assert header is not None
    assert 'response="6629fae49393a05397450978507c4ef1"' in header


def test_without_qop_it_is_rfc_2069() -> None:
    """Most cameras; the example as corrected by erratum 749. No cnonce is sent."""
    header = answer(
        [("WWW-Authenticate", 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')],
        password="CircleOfLife",
    )
    assert header is not None
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in header
    assert "cnonce" not in header


def test_the_best_challenge_is_answered() -> None:
    """SHA-256 before MD5 before Basic, whatever their order (quirk S23)."""
    basic = ("WWW-Authenticate", 'Basic realm="cam"')
    sha, md5 = RFC_7616_CHALLENGES
    assert "algorithm=SHA-256" in (answer([basic, md5, sha]) or "")
    assert "algorithm=MD5" in (answer([basic, md5]) or "")
    assert answer([basic]) == "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl"


def test_several_challenges_in_one_field() -> None:
    """RFC 7235 4.1 allows a comma between them, and a comma inside quotes is none."""
    value = (
        f'Basic realm="a, b", {RFC_7616_CHALLENGES[1][1]}, Negotiate, Digest realm="c", nonce="d", algorithm=MD5-sess'
    )
    challenges = parse_challenges(Headers({"www-authenticate": value}))
    assert [(each.scheme, each.realm, each.algorithm) for each in challenges] == [
        ("Basic", "a, b", "MD5"),
        ("Digest", "http-auth@example.org", "MD5"),
        ("Digest", "c", "MD5-sess"),
    ]


def test_a_stale_nonce_is_told_apart_from_a_wrong_password() -> None:
    """Then the new nonce is answered without bothering anybody."""
    old = Challenge(scheme="Digest", realm="r", nonce="n", stale=True, opaque="o", qop=("auth",), algorithm="SHA-256")
    assert parse_challenges(Headers({"WWW-Authenticate": old.to_header()})) == (old,)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        'Digest realm="no nonce"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", qop="auth-int"',
        "Negotiate oRsEGKADCgEB",
        '="',
        "Digest nonce=",
        "Digest , , ,",
    ],
)
def test_what_cannot_be_answered_is_not(value: str) -> None:
    """No answer is better than a wrong one: wrong ones lock accounts."""
    challenges = parse_challenges(Headers({"WWW-Authenticate": value}))
    header = authorize(challenges, "PLAY", "rtsp://cam/", "u", "p", nonce_count=1, cnonce="c")
    assert header is None or 'nonce=""' in header


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "md5", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", [(), ("auth",), ("auth-int", "auth")])
def test_the_server_accepts_what_the_client_answers(algorithm: str, qop: tuple[str, ...]) -> None:
    """With any algorithm, with and without qop, and quotes and umlauts in the credentials."""
    challenge = Challenge(scheme="Digest", realm='Hulta "sim"', nonce="abc", algorithm=algorithm, qop=qop)
    read = parse_challenges(Headers({"WWW-Authenticate": challenge.to_header()}))
    header = authorize(read, "DESCRIBE", "rtsp://c/1", 'ö"\\', 'p:w"\\', nonce_count=2, cnonce="xyz")
    assert header is not None
    assert verify(header, "DESCRIBE", 'ö"\\', 'p:w"\\', 'Hulta "sim"', "abc")


def test_the_server_accepts_basic() -> None:
    """Only the right login."""
    header = authorize([Challenge(scheme="Basic")], "PLAY", "rtsp://c/1", "u", "p:w", nonce_count=1, cnonce="")
    assert header is not None
    assert verify(header, "PLAY", "u", "p:w", "any", "any")
    assert not verify(header, "PLAY", "u", "p", "any", "any")


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PLAY"},
        {"username": "v"},
        {"password": "q"},
        {"realm": "other"},
        {"nonce": "older"},
    ],
)
def test_the_server_refuses_everything_else(change: dict[str, str]) -> None:
    """Another method, user, password, realm or nonce."""
    right = {"method": "DESCRIBE", "username": "u", "password": "p", "realm": "r", "nonce": "n"}
    challenge = Challenge(scheme="Digest", realm="r", nonce="n", qop=("auth",))
    header = authorize([challenge], "DESCRIBE", "rtsp://c/1", "u", "p", nonce_count=1, cnonce="c") or ""
    assert verify(header, **right)
    assert not verify(header, **{**right, **change})


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Digest",
        "Basic",
        "Basic !!!",
        "Basic /////w==",
        "Bearer x",
        'Digest username="u", realm="r", nonce="n"',
        'Digest username="u", realm="r", nonce="n", response="", qop=auth-int',
        'Digest username="u", realm="r", nonce="n", response="", algorithm=CRC',
        'Digest username="u", realm="r", nonce="n", response="\xff\udcff"',
        "Digest " + 'a="b",' * 2000,
    ],
)
def test_nonsense_proves_nothing(header: str) -> None:
    """And raises nothing."""
    assert not verify(header, "DESCRIBE", "u", "p", "r", "n")
