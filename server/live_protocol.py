"""WebSockets of the HTTP server, which can be closed even when their other side does not read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

MOST_SENT_BYTES = 4096
"""Of one message from a client. None sends any."""


_quiet = logging.getLogger("server.websocket")
_quiet.setLevel(logging.WARNING)  # uvicorn would log who came and went, with the paths


class LiveProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own waits before it closes until all that was written is taken: with a viewer that stalls, for ever."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _quiet

    async def send(self, message: ASGISendEvent) -> None:
        """See uvicorn. A close goes behind what is waiting, and after a moment the connection is cut."""
        if message["type"] != "websocket.close" or self.writable.is_set() or self.close_sent:
            await super().send(message)
            # uvicorn takes an answer instead of a handshake for a fault of the application, and logs it as one.
            self.handshake_complete = self.handshake_complete or self.close_sent
            return
        self.conn.send_close(message.get("code", 1000), message.get("reason") or "")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
