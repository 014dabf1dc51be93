"""Datagrams of others at a camera's ports: turned away, and by the kernel once they are many.

A stranger cannot be kept from sending, and what he sends says nothing about the camera: it neither ends a session nor
keeps one alive. Each datagram costs a read. So a flood of them is left to a filter of the socket (socket(7),
SO_ATTACH_FILTER; the instructions are those of the BSD packet filter): they neither wake this process nor take the
room of the camera's own packets. From the camera's own address those of other sources (SSRC) are filtered likewise.
"""

from __future__ import annotations

import array
import errno
import ipaddress
import socket
import struct

MOST_A_SECOND = 1_000
"""Reads that strangers are worth. A second stream on the camera's port (quirk I5) is less than that."""

SILENT_US = 1_000_000
"""After which the camera may send under another SSRC: for that the filter is opened."""

_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # asm-generic/socket.h; Python has no names for them
_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")
_LOAD_WORD, _UNLESS_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_NETWORK_HEADER = -0x100000 & 0xFFFFFFFF  # SKF_NET_OFF: what follows is counted from the IP header
_SOURCE_ADDRESS = {4: 12, 6: 8}  # in the IP header (RFC 791 3.1, RFC 8200 3)
_UDP_HEADER_BYTES = 8


class Strangers:
    """Those of one socket. `ssrc_at`: where a packet has its source."""

    def __init__(self, listening: socket.socket, ssrc_at: int) -> None:
        self._socket = listening
        self._ssrc_at = ssrc_at
        self.turned_away = 0
        """That were read: what the kernel filters nobody counts."""
        self._since_us = self._recent = self._other_sources = 0
        self.shut_to: tuple[str, int | None] | None = None
        """The address, and the source, that alone are let in; None: everybody is."""

    def turn_away(self, camera: str) -> None:
        """A datagram came that is not of the camera's address."""
        self.turned_away += 1
        self._recent += 1
        if self._recent > MOST_A_SECOND and self.shut_to is None:
            self._shut(camera, None)

    def meet_others(self, camera: str, ssrc: int, others: int) -> None:
        """So many packets of other sources came from the camera's address in all, and ours is `ssrc`."""
        if others - self._other_sources > MOST_A_SECOND and (self.shut_to is None or self.shut_to[1] is None):
            self._shut(camera, ssrc)

    def look(self, boot_us: int, others: int, silent_us: int) -> None:
        """Called a few times a second."""
        if boot_us - self._since_us >= 1_000_000:
            self._since_us, self._recent, self._other_sources = boot_us, 0, others
        if self.shut_to is not None and self.shut_to[1] is not None and silent_us > SILENT_US:
            self._shut(self.shut_to[0], None)
            self._other_sources = others

    def _shut(self, camera: str, ssrc: int | None) -> None:
        program = filter_program(camera, None if ssrc is None else (self._ssrc_at, ssrc))
        kept = array.array("B", program)
        count = len(program) // _INSTRUCTION.size
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _PROGRAM.pack(count, kept.buffer_info()[0]))
        except OSError as error:
            if error.errno not in (errno.ENOPROTOOPT, errno.EPERM):
                raise  # without filters strangers are read one by one, as before
        self.shut_to = (camera, ssrc)


def filter_program(camera: str, source: tuple[int, int] | None) -> bytes:
    """What lets in datagrams of an address and, if told so, with this number at this place; nothing else."""
    ip = ipaddress.ip_address(camera.partition("%")[0])
    at = _NETWORK_HEADER + _SOURCE_ADDRESS[ip.version]
    words = [(at + start, int.from_bytes(ip.packed[start : start + 4], "big")) for start in range(0, len(ip.packed), 4)]
    if source is not None:
        words.append((_UDP_HEADER_BYTES + source[0], source[1]))
    lines = []
    for number, (place, value) in enumerate(words):
        lines.append(_INSTRUCTION.pack(_LOAD_WORD, 0, 0, place))
        lines.append(_INSTRUCTION.pack(_UNLESS_EQUAL, 0, 2 * (len(words) - number) - 1, value))
    lines.append(_INSTRUCTION.pack(_RETURN, 0, 0, 0xFFFFFFFF))
    lines.append(_INSTRUCTION.pack(_RETURN, 0, 0, 0))
    return b"".join(lines)
