"""The key that seals camera credentials, as this process has it, and what its children must not inherit.

    HULTA_KEY         the key itself, 64 hex digits
    HULTA_KEY_FILE    a file with it, 0600
    neither           <data>/key, made at the first start

Secrets that came in the environment (the key, the token of the API, and every `${VAR}` of the configuration) go no
further in it: a child's environment can be read in /proc for as long as it lives. Children get what they need of them
through their standard input, as they get their settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from media.errors import KeyUnfit
from server.api_token import TOKEN_VARIABLE, take_token
from storage.key_file import GivenKeys, KeyFile
from storage.secrets import SecretBox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.layout import Layout

KEY_VARIABLE = "HULTA_KEY"
FILE_VARIABLE = "HULTA_KEY_FILE"

_from_parent: str | None = None
_used_variables: set[str] = set()


def secret_box(data: Layout) -> SecretBox:
    """The box of a data directory. KeyUnfit if what the environment says is no key."""
    given = os.environ.get(KEY_VARIABLE) if _from_parent is None else _from_parent
    file = os.environ.get(FILE_VARIABLE)
    if given is not None and file is not None:
        raise KeyUnfit(f"{KEY_VARIABLE} and {FILE_VARIABLE} are both set", hint="keep one of them")
    if given is not None:
        return SecretBox(GivenKeys(given, KEY_VARIABLE))
    if file is not None:
        return SecretBox(KeyFile(Path(file), made_by_us=False))
    return SecretBox(KeyFile(data.key))


def handed_down(role: str) -> bytes:
    """What a child is told on its standard input behind its settings: the key, and to `serve` the token of the API.

    Each where it came in the environment.
    """
    token = os.environ.get(TOKEN_VARIABLE) if role == "serve" else None
    return b"\n" + json.dumps({"key": os.environ.get(KEY_VARIABLE), "token": token}).encode()


def take_over(line: bytes) -> None:
    """What `handed_down` gave."""
    global _from_parent  # noqa: PLW0603 - one environment, one key: the process has no second
    given = json.loads(line)
    _from_parent = given["key"]
    take_token(given["token"] or "")


def inheritable() -> dict[str, str]:
    """The environment of this process without its secrets, for a child."""
    hidden = {KEY_VARIABLE, TOKEN_VARIABLE, *_used_variables}
    return {name: value for name, value in os.environ.items() if name not in hidden}


class Variables(Mapping[str, str]):
    """The environment, for the configuration's `${VAR}`; what is used of it is not inherited."""

    def __getitem__(self, name: str) -> str:
        value = os.environ[name]
        _used_variables.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)
