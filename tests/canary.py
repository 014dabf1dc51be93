"""Secrets that are looked for everywhere: in what is printed, answered, written, and shown of processes."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

PASSWORDS = {
    "camera": "Ca/nary:17 @ö?&",
    "store": "S3/k3y+Canary=42&ö",
    "token": "T0ken-canary/9+x==",
    "catalog": "Pg canary'%:/@ö",
}
KEY = "c0ffee" * 10 + "5eed"
"""Of the credentials, in hex: as it is given, and as bytes it is never anywhere."""


def forms(secret: str) -> set[bytes]:
    """A secret as it is, percent-encoded, quoted as JSON and Python do, in base64 at each alignment, in hex."""
    raw = secret.encode()
    texts = {
        raw,
        quote(secret, safe="").encode(),
        quote(secret, safe="").lower().encode(),
        quote(secret).encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        repr(secret)[1:-1].encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        ascii(secret)[1:-1].encode(),
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for padding in range(3):
            encoded = encode(b"x" * padding + raw).rstrip(b"=")
            texts.add(encoded[4 if padding else 0 : -2])
    return texts


_FORMS = {form: name for name, secret in PASSWORDS.items() for form in forms(secret)}
_FORMS |= dict.fromkeys((KEY.encode(), KEY.upper().encode(), bytes.fromhex(KEY)), "key")


def found_in(content: bytes) -> set[str]:
    """Which secrets are in some bytes, in any form."""
    return {name for form, name in _FORMS.items() if form in content}


def found_in_files(folder: Path) -> dict[str, set[str]]:
    """The files below a folder in which there is a secret, but for the configuration, where they come from.

    Compressed ones as what they hold, and databases also as a dump.
    """
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "hulta.yaml":
            content = path.read_bytes()
            content += gzip.decompress(content) if path.suffix == ".gz" else b""
            content += "\n".join(dump_of(path)).encode() if path.suffix == ".sqlite" else b""
            found[str(path.relative_to(folder))] = found_in(content)
    return {name: secrets for name, secrets in found.items() if secrets}


def dump_of(database: Path) -> list[str]:
    """A SQLite database as SQL."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def family_of(data: Path) -> dict[int, list[int]]:
    """The product's supervisor on a data directory, and all its descendants."""
    parents = dict(_parents())
    heads = [pid for pid in parents if _is_supervisor(pid, data)]
    families = {}
    for head in heads:
        members = [head]
        for member in members:
            members += [pid for pid, parent in parents.items() if parent == member]
        families[head] = members[1:]
    return families


def found_in_process(pid: int, names: tuple[str, ...] = ("cmdline", "comm", "environ")) -> set[str]:
    """What others can see of a process."""
    found: set[str] = set()
    for name in names:
        try:
            found |= found_in(Path(f"/proc/{pid}/{name}").read_bytes())
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            break
    return found


def core_limit(pid: int) -> str:
    """How large a core file of a process may be."""
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in limits if line.startswith("Max core file size")).split()[4]


def _parents() -> Iterator[tuple[int, int]]:
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(place.name), int(fields[1])


def _is_supervisor(pid: int, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"run" in words and str(data).encode() in words
