"""Logging: one line an event, on stderr, redacted by type.

A value may appear in a log only if its type is known to be printable: numbers, text, times, paths, ids, and types such
as CameraUrl whose `str()` is already redacted. Anything else shows its type's name. Text that looks like a URL with
credentials loses them as a last safeguard, because messages of other libraries pass through here too.

A terminal gets coloured lines, everything else (journald, files, containers) JSON.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from media.errors import HultaError
from media.url import CameraUrl
from media.url import redact as redact_urls

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

LEVEL_VARIABLE = "HULTA_LOG"
MAX_TEXT = 8000
TRACE_FRAMES = 12  # the innermost: the outer ones are the framework's
MAX_ITEMS = 50


def configure(role: str, *, least: int = logging.INFO) -> None:
    """Send structlog's and the standard library's events (uvicorn, asyncio) to stderr in one form.

    HULTA_LOG names the lowest level shown, `least` if it is not set; children inherit it.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _flatten_exception,
        redact,
    ]
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(sort_keys=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_drop_meta, renderer])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping().get(os.environ.get(LEVEL_VARIABLE, "").upper(), least)
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(max(level, logging.WARNING))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(role=role)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be printed. The last processor before rendering."""
    return {key: value if key.startswith("_") else printable(value) for key, value in event.items()}


def printable(value: Any) -> Any:
    """A value as it may be shown."""
    value = value.value if isinstance(value, Enum) else value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | UUID | PurePath | CameraUrl | HultaError):
        return scrub(str(value))
    if isinstance(value, OSError):
        return f"{type(value).__name__}: {value.strerror or type(value).__name__}"
    if isinstance(value, dict):
        return {str(key): printable(item) for key, item in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [printable(item) for item in list(value)[:MAX_ITEMS]]
    return f"<{type(value).__name__}>"


def scrub(text: str) -> str:
    """Text without the credentials of URLs in it, and of bounded length."""
    return redact_urls(text[:MAX_TEXT])


def _flatten_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where an exception happened and of which type; never local variables, and no foreign message unscrubbed."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "".join(traceback.format_exception(error, limit=-TRACE_FRAMES))
    return event


def _drop_meta(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event
