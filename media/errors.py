"""Every error the product raises, in one tree, and the closed list of gap reasons.

HultaError
├── MediaError            bytes from the network or a file are not what they claim to be
│   ├── RtspError         a message, a header or the interleaved framing
│   ├── SdpError          a session description
│   ├── RtpError          a packet
│   ├── CodecError        a NAL unit, a parameter set
│   └── Mp4Error          a box, an index, a commit or a seal
├── SourceError           a camera could not be recorded; carries the gap reason
├── StorageError
│   ├── SpoolError        the local queue: a full or failing disk, a torn or foreign file
│   ├── ObjectStoreError
│   │   ├── ObjectMissing
│   │   └── ObjectConflict    the key exists with other bytes
│   ├── CatalogError
│   └── KeyUnfit          the key to the cameras' credentials is missing, open to others or another one
├── UsageError            the question or the configuration is wrong
│   ├── ConfigError       names file, line and field
│   └── RangeError        a time range that is no range
├── NotFound              no such camera, site or segment
├── Conflict              there is one already
└── NoFootage             nothing was recorded in the range asked for

An error says what and where, carries a hint where there is one, and never a credential.
Errors of other libraries are translated at the edge that calls them.
"""

from __future__ import annotations

from enum import StrEnum


class GapReason(StrEnum):
    """Why an interval that should have been recorded was not. The list is closed: clients switch on it."""

    DNS = "dns"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TLS = "tls"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BUSY = "busy"
    UNSUPPORTED = "unsupported"
    NO_MEDIA = "no_media"
    STALLED = "stalled"
    PROTOCOL = "protocol"
    FLOOD = "flood"
    NO_SYNC = "no_sync"
    CAMERA_DISABLED = "camera_disabled"
    CRASH = "crash"
    SHUTDOWN = "shutdown"
    SPOOL_FULL = "spool_full"
    DISK_ERROR = "disk_error"
    CLOCK_STEP = "clock_step"
    HOST_LOST = "host_lost"


class HultaError(Exception):
    """The root. `hint`, where given, tells the operator what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MediaError(HultaError):
    """Bytes from the network or a file are not what they claim to be."""


class RtspError(MediaError):
    """An RTSP message, header or interleaved frame is malformed (RFC 2326)."""


class SdpError(MediaError):
    """A session description is malformed or describes nothing usable (RFC 4566)."""


class RtpError(MediaError):
    """An RTP or RTCP packet is malformed (RFC 3550)."""


class CodecError(MediaError):
    """A NAL unit or a parameter set is malformed."""


class Mp4Error(MediaError):
    """A box of an MP4 file, or one of Hulta's own boxes, is malformed."""


class SourceError(HultaError):
    """A camera could not be recorded. `reason` becomes the reason of the gap."""

    def __init__(self, reason: GapReason, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class StorageError(HultaError):
    """Something that keeps footage failed."""


class SpoolError(StorageError):
    """The local queue failed: a full or failing disk, a torn or foreign file."""


class ObjectStoreError(StorageError):
    """The object store failed or answered nonsense."""


class ObjectMissing(ObjectStoreError):  # noqa: N818 - the state of an object, as the catalog names it
    """No object has this key."""


class ObjectConflict(ObjectStoreError):  # noqa: N818 - the state of an object, as the catalog names it
    """An object with this key exists and has other bytes."""


class CatalogError(StorageError):
    """The catalog failed, is of another version, or contradicts itself."""


class KeyUnfit(StorageError):  # noqa: N818 - what is wrong with the key
    """The key that seals credentials is missing, unreadable, open to others, or not the one that sealed them."""


class UsageError(HultaError):
    """The question or the configuration is wrong."""


class ConfigError(UsageError):
    """The configuration is wrong; the message names file, line and field."""


class RangeError(UsageError):
    """A time range that is no range."""


class NotFound(HultaError):  # noqa: N818 - HTTP's name for it
    """No such camera, site or segment."""


class Conflict(HultaError):  # noqa: N818 - HTTP's name for it
    """There is one already, and it is not silently replaced."""


class NoFootage(HultaError):  # noqa: N818 - an answer more than a failure
    """Nothing was recorded in the range asked for."""


class Unfit(HultaError):  # noqa: N818 - an answer more than a failure
    """What there is cannot be given in the form that was asked for."""


class TooMany(HultaError):  # noqa: N818 - an answer more than a failure
    """As many as there may be are there already: viewers, sessions."""
