"""The bearer token of the API: in the environment, or in a file of the data directory."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from media.errors import HultaError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_VARIABLE = "HULTA_TOKEN"  # noqa: S105 - the name of the variable
MIN_TOKEN_CHARACTERS = 16

_from_parent = ""


def take_token(token: str) -> None:
    """The token that the supervisor found in its environment, "" if none: a child's holds no secret."""
    global _from_parent  # noqa: PLW0603 - it stands for a variable of the environment
    _from_parent = token


def find_token(path: Path) -> str | None:
    """The token of this data directory, for the CLI: HULTA_TOKEN or the file; None if there is none."""
    given = _from_parent or os.environ.get(TOKEN_VARIABLE)
    if given:
        return given
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HultaError(f"{path}: the token cannot be read: {error.strerror}") from None


def make_token(path: Path) -> str:
    """The token the API asks for: HULTA_TOKEN, the file, or a new one (256 random bits) in a file of mode 0600."""
    token = find_token(path)
    if token is None:
        token = secrets.token_urlsafe(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(descriptor)
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise UsageError(
            f"the token is shorter than {MIN_TOKEN_CHARACTERS} characters", hint=f"{TOKEN_VARIABLE} or {path}"
        )
    return token
