"""Faults of a configuration, in the words of whoever wrote it: file, line, field, and what to do.

Pydantic finds them; here its error codes become sentences. Its own sentences are used only where they cannot repeat
a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import ErrorDetails, PydanticCustomError

from media.errors import ConfigError
from server.yaml_loader import Document, Path, field_name

if TYPE_CHECKING:
    from pydantic import ValidationError

UNKNOWN_KEY = "unknown_key"

_SENTENCES = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a table of keys and values",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "none_required": "is not served by this version; leave it out",
}


def explain(error: ValidationError, document: Document) -> ConfigError:
    """One ConfigError with a line for each fault, in the order of the file."""
    faults = {}
    for details in error.errors(include_url=False, include_input=False):
        path = _path(details)
        line = document.line(path)
        field = f" {field_name(path)}:" if path else ""
        faults[f"{document.file}:{line}:{field} {_sentence(details)}"] = line
    return ConfigError("\n".join(sorted(faults, key=lambda fault: faults[fault])))


def _path(details: ErrorDetails) -> Path:
    path: Path = details["loc"]
    context = details.get("ctx", {})
    if details["type"] == UNKNOWN_KEY:
        return (*path, context["key"])
    return (*path, *context.get("below", ()))


def _sentence(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind in {"literal_error", "greater_than_equal", "less_than_equal"}:
        return details["msg"].replace("Input should", "must")
    return _SENTENCES.get(kind) or details["msg"].replace("Input should", "must")


def fault(path: Path, sentence: str) -> PydanticCustomError:
    """A fault of our own at a place below the table that is looked at."""
    return PydanticCustomError("fault", sentence, {"below": path})
