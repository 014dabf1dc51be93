"""Two UDP ports that follow each other, with room for what comes while this process is busy."""

from __future__ import annotations

import errno
import socket
import struct
import time
from typing import TYPE_CHECKING

from ingest.network import family_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RECEIVE_BYTES = 2 << 20
"""5 s of 4 Mbit/s, or the sync sample of a large camera ten times over. Linux gives `net.core.rmem_max` (208 KiB where
nobody raised it) to those who may not ask for more."""

UDP_GRO = 104  # linux/udp.h; Python has no name for it
RXQ_OVFL = 40  # asm-generic/socket.h, likewise
TIMESTAMPNS = 64  # the same, SO_TIMESTAMPNS_NEW
STAMP = struct.Struct("=qq")
"""When the kernel took a datagram: seconds and nanoseconds of the wall clock (__kernel_timespec)."""

_TRIES = 64
_RCVBUFFORCE = 33  # asm-generic/socket.h; for those with CAP_NET_ADMIN


def bind_pair(address: str) -> tuple[socket.socket, socket.socket]:
    """An even port of `address` and the next one, for RTP and RTCP (RFC 3550 11). OSError if none are free."""
    for rtp in _even(address):
        rtcp = socket.socket(rtp.family, socket.SOCK_DGRAM)
        try:
            rtcp.bind((address, rtp.getsockname()[1] + 1))
        except OSError as error:
            rtp.close()
            rtcp.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        for each in (rtp, rtcp):
            each.setblocking(False)
        _make_room(rtp)
        _read_in_batches(rtp)
        return rtp, rtcp
    raise OSError(errno.EADDRINUSE, "no two free ports that follow each other")


def age_us(stamp: bytes) -> int:
    """How long ago the kernel stamped a datagram, by the wall clock: wrong where that was stepped in between."""
    seconds, nanoseconds = STAMP.unpack(stamp)
    stamp_ns: int = seconds * 1_000_000_000 + nanoseconds
    return (time.time_ns() - stamp_ns) // 1000


def _even(address: str) -> Iterator[socket.socket]:
    """Sockets on even ports that the kernel finds free."""
    for _ in range(_TRIES):
        found = socket.socket(family_of(address), socket.SOCK_DGRAM)
        try:
            found.bind((address, 0))
        except OSError:
            found.close()
            raise
        if found.getsockname()[1] % 2 == 0:
            yield found
        else:
            found.close()


def _read_in_batches(receiving: socket.socket) -> None:
    """And be told what was dropped for want of room, and when each came. A kernel may know none of these."""
    for option in (UDP_GRO, RXQ_OVFL, TIMESTAMPNS):
        try:
            receiving.setsockopt(socket.IPPROTO_UDP if option == UDP_GRO else socket.SOL_SOCKET, option, 1)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise


def keeps_a_round(receiving: socket.socket) -> bool:
    """Whether it got the room that was asked for: then what comes between two reads may wait there.

    With less, a large sync sample may not fit. Linux gives, and tells, twice what was asked (socket(7)).
    """
    return receiving.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 2 * RECEIVE_BYTES


def _make_room(receiving: socket.socket) -> None:
    try:
        receiving.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, RECEIVE_BYTES)
    except PermissionError:
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
