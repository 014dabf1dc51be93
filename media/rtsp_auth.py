"""HTTP authentication as RTSP uses it: Digest (RFC 7616, RFC 2617, RFC 2069) and Basic (RFC 7617).

Both sides are here: `authorize` answers a camera's challenges, `verify` is what a server asks. Pure: the nonces
of both sides are passed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from media.rtsp import Headers

# By preference. Cameras offer MD5 alone, or SHA-256 beside it (ONVIF since 2021).
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a word of the grammar (RFC 7230 3.2.6), no secret
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+(?!=)|(?=,)|$)")
_CREDENTIAL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a server wants to see."""

    scheme: str
    """"Digest" or "Basic"."""
    realm: str = ""
    nonce: str = ""
    algorithm: str = "MD5"
    """As written; "MD5" when absent."""
    qop: tuple[str, ...] = ()
    """Empty: the server knows RFC 2069 only."""
    opaque: str | None = None
    stale: bool = False
    """The last answer was right, only its nonce too old: answer again, do not ask the operator."""

    def to_header(self) -> str:
        """The value of a WWW-Authenticate field."""
        if self.scheme == "Basic":
            return f"Basic realm={_quote(self.realm)}"
        parts = [f"realm={_quote(self.realm)}", f"nonce={_quote(self.nonce)}", f"algorithm={self.algorithm}"]
        if self.qop:
            parts.append(f"qop={_quote(', '.join(self.qop))}")
        if self.opaque is not None:
            parts.append(f"opaque={_quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        return f"Digest {', '.join(parts)}"


def parse_challenges(headers: Headers) -> tuple[Challenge, ...]:
    """Every Digest and Basic challenge of a 401, in one field or several; others and broken ones are left out."""
    challenges = []
    for value in headers.get_all("WWW-Authenticate"):
        for scheme, parameters in _split_challenges(value):
            if scheme == "basic":
                challenges.append(Challenge(scheme="Basic", realm=parameters.get("realm", "")))
            elif scheme == "digest" and "nonce" in parameters:
                challenges.append(_digest_challenge(parameters))
    return tuple(challenges)


def authorize(
    challenges: Iterable[Challenge],
    method: str,
    url: str,
    username: str,
    password: str,
    *,
    nonce_count: int,
    cnonce: str,
) -> str | None:
    """The Authorization field for a request: the best Digest on offer, else Basic; None if nothing fits.

    `nonce_count` counts the requests with this nonce, from 1; `cnonce` is a fresh random text.
    """
    challenges = tuple(challenges)
    for name in _HASHES:
        for challenge in challenges:
            if challenge.scheme == "Digest" and _hash_name(challenge.algorithm) == name and _usable(challenge):
                return _answer(challenge, method, url, username, password, nonce_count, cnonce)
    if any(challenge.scheme == "Basic" for challenge in challenges):
        return f"Basic {base64.b64encode(_bytes(f'{username}:{password}')).decode()}"
    return None


def scheme_of(authorization: str) -> str:
    """How an Authorization field proves its login: "Basic", "Digest MD5", "Digest SHA-256"."""
    scheme, _, rest = authorization.partition(" ")
    return scheme if scheme == "Basic" else f"{scheme} {_parse_parameters(rest)[0].get('algorithm', 'MD5')}"


def verify(  # noqa: PLR0917 - all texts, named by their callers
    header: str, method: str, username: str, password: str, realm: str, nonce: str
) -> bool:
    """Whether an Authorization field proves this login: Digest for this realm and nonce, or Basic."""
    scheme, _, rest = header.strip().partition(" ")
    if len(rest) > _CREDENTIAL_BYTES:
        return False
    if scheme.lower() == "basic":
        return _verify_basic(rest, username, password)
    if scheme.lower() != "digest":
        return False
    given = _parse_parameters(rest)[0]
    name = _hash_name(given.get("algorithm", "MD5"))
    wanted = {"username": username, "realm": realm, "nonce": nonce}
    if name is None or any(given.get(key) != value for key, value in wanted.items()):
        return False
    if given.get("qop") not in (None, "auth"):
        return False
    return _same(_digest(name, method, password, given), given.get("response", ""))


def _digest_challenge(parameters: Mapping[str, str]) -> Challenge:
    return Challenge(
        scheme="Digest",
        realm=parameters.get("realm", ""),
        nonce=parameters["nonce"],
        algorithm=parameters.get("algorithm") or "MD5",
        qop=tuple(word.strip().lower() for word in parameters.get("qop", "").split(",") if word.strip()),
        opaque=parameters.get("opaque"),
        stale=parameters.get("stale", "").lower() == "true",
    )


def _usable(challenge: Challenge) -> bool:
    return not challenge.qop or "auth" in challenge.qop


def _answer(  # noqa: PLR0917 - the arguments of `authorize`
    challenge: Challenge, method: str, url: str, username: str, password: str, nonce_count: int, cnonce: str
) -> str:
    fields = {"username": username, "realm": challenge.realm, "nonce": challenge.nonce, "uri": url}
    fields |= {"algorithm": challenge.algorithm}
    if challenge.qop:
        fields |= {"qop": "auth", "nc": f"{nonce_count:08x}"}
    if challenge.qop or challenge.algorithm.lower().endswith("-sess"):
        fields |= {"cnonce": cnonce}
    name = _hash_name(challenge.algorithm)
    assert name is not None
    fields |= {"response": _digest(name, method, password, fields)}
    if challenge.opaque is not None:
        fields |= {"opaque": challenge.opaque}
    # Algorithm, qop and nc stand without quotes (RFC 7616 3.4); many cameras parse by the letter.
    bare = {"algorithm", "qop", "nc"}
    return "Digest " + ", ".join(f"{key}={value if key in bare else _quote(value)}" for key, value in fields.items())


def _digest(name: str, method: str, password: str, given: Mapping[str, str]) -> str:
    """The response of RFC 7616 3.4.1; without qop that of RFC 2069."""

    def hashed(*parts: str) -> str:
        return _HASHES[name](_bytes(":".join(parts))).hexdigest()

    secret = hashed(given["username"], given["realm"], password)
    if given.get("algorithm", "").lower().endswith("-sess"):
        secret = hashed(secret, given["nonce"], given.get("cnonce", ""))
    action = hashed(method, given.get("uri", ""))
    if "qop" not in given:
        return hashed(secret, given["nonce"], action)
    return hashed(secret, given["nonce"], given.get("nc", ""), given.get("cnonce", ""), given["qop"], action)


def _hash_name(algorithm: str) -> str | None:
    name = algorithm.upper().removesuffix("-SESS")
    return name if name in _HASHES else None


def _verify_basic(encoded: str, username: str, password: str) -> bool:
    try:
        given = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return _same(given, f"{username}:{password}")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(_bytes(given), _bytes(wanted))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # an answer may hold anything


def _split_challenges(value: str) -> list[tuple[str, dict[str, str]]]:
    """Schemes with their parameters. A comma may separate parameters or challenges (RFC 7235 4.1)."""
    found = []
    while match := _SCHEME.match(value):
        parameters, value = _parse_parameters(value[match.end() :])
        found.append((match[1].lower(), parameters))
    return found


def _parse_parameters(text: str) -> tuple[dict[str, str], str]:
    """The "name=value" list at the start, by lower-case name, and the text after it."""
    parameters: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(text, position):
        quoted, bare = match[2], match[3]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        parameters.setdefault(match[1].lower(), value)
        position = match.end()
    return parameters, text[position:]


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
