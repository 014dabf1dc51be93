"""The listening side of the proxy: lets in, refuses, or ignores, always on the same port of 127.0.0.1."""

from __future__ import annotations

import socket

from storm.proxy_faults import Welcome

HOST = "127.0.0.1"
BACKLOG = 128


class Door:
    """A port that is kept from the first to the last moment, whoever listens on it."""

    def __init__(self) -> None:
        # Bound and never listening, it keeps the port while the door refuses: nobody else can take it then.
        self._keeper = self._bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._listening: socket.socket | None = None
        self._stuck: socket.socket | None = None

    def open(self) -> socket.socket:
        """Listen; returns what to accept from."""
        self.shut()
        self._listening = self._bound(self.port)
        self._listening.listen(BACKLOG)
        return self._listening

    def ignore(self) -> None:
        """Let connects hang: Linux drops a SYN where the queue of connections to accept is full.

        The shortest queue holds one connection, and it is ours.
        """
        listening = self.open()
        listening.listen(0)
        self._stuck = socket.create_connection((HOST, self.port))

    def shut(self) -> None:
        """Refuse."""
        for one in (self._stuck, self._listening):
            if one is not None:
                one.close()
        self._stuck = self._listening = None

    def set(self, welcome: Welcome) -> socket.socket | None:
        """From now on; returns what to accept from, if anything."""
        if welcome is Welcome.ACCEPTED:
            return self.open()
        if welcome is Welcome.REFUSED:
            self.shut()
        else:
            self.ignore()
        return None

    def close(self) -> None:
        """Give the port back."""
        self.shut()
        self._keeper.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((HOST, port))
        return one
