"""One WebRTC connection to a viewer, by aiortc: its pictures come ready made, so that its encoders have nothing to do.

Two methods of its sender are replaced: where the next frame comes from, and what happens when the viewer has lost the
picture. Its addresses are one, the one the viewer's request came to: no STUN server is asked, and no other interface
of this host is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtcrtpsender import RTCEncodedFrame

from media.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playback.whep_offer import Fitted
    from playback.whep_pictures import Picture


class _NoTrack(MediaStreamTrack):
    """What aiortc wants to see; it is never asked for a frame."""

    kind = "video"

    async def recv(self) -> Any:
        """Nothing comes this way."""
        raise MediaStreamError


class Call:
    """A connection that is answered, runs, and ends once."""

    def __init__(self, address: str, next_picture: Callable[[], Awaitable[Picture]], lost: Callable[[], None]) -> None:
        """`next_picture` is called when the one before has left; `lost` when the viewer asks for a sync sample."""
        self._next_picture = next_picture
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        sender = self._peer.addTransceiver(_NoTrack(), direction="sendonly").sender
        sender._next_encoded_frame = self._encoded  # type: ignore[assignment] # noqa: SLF001 - see above
        sender._send_keyframe = lost  # type: ignore[method-assign] # noqa: SLF001 - see above
        ice = sender.transport.transport._connection  # noqa: SLF001 - its addresses cannot be said otherwise
        gather = ice.get_component_candidates

        async def gather_one(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ARG001, ASYNC109
            return await gather(component, [address], timeout)

        ice.get_component_candidates = gather_one  # type: ignore[method-assign]
        self._peer.on("connectionstatechange", self._state_changed)

    async def answer(self, fitted: Fitted) -> str:
        """Answer an offer; UsageError where it cannot be understood."""
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp=fitted.offer, type="offer"))
            answer = await self._peer.createAnswer()
            await self._peer.setLocalDescription(answer)
        except Exception as error:  # the library's parser raises whatever a malformed line leads it to
            raise UsageError(f"the offer cannot be answered ({type(error).__name__})") from error
        made = self._peer.localDescription.sdp
        if "H264/90000" not in made or "VP8" in made:
            raise UsageError("the offer cannot be answered with H.264")
        return fitted.answer(made)

    async def close(self) -> None:
        """End it, whatever state it is in."""
        await self._peer.close()
        self.ended.set()

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self.connected.set()
        elif state in {"failed", "closed"}:
            self.ended.set()

    async def _encoded(self, _codec: object) -> RTCEncodedFrame:
        try:
            picture = await self._next_picture()
        except Exception:
            self.ended.set()
            raise
        return RTCEncodedFrame(picture.payloads, picture.timestamp, 0)
