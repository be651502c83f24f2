"""MQTT over WebSocket at `/mqtt` on the HTTP port (MQTT 5 section 6).

The engine's connection objects are fed as if from a TCP socket: this is the transport that they
see. MQTT packets need not align with WebSocket messages [MQTT-6.0.0-2].
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from gateway.bridges.edge.sender import PLACE
from gateway.bridges.edge.sockets import binary
from gateway.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable


SUBPROTOCOL = "mqtt"  # [MQTT-6.0.0-3]
HIGH_WATER = 1 << 16  # bytes unread by the client above which its connection is told to pause


class MqttOverWebSocket:
    """Serves `/mqtt`. `accept` makes an engine's connection for each client; `same_origin` refuses
    foreign pages.
    """

    def __init__(
        self,
        *,
        accept: Callable[[], asyncio.Protocol],
        same_origin: Callable[[web.Request], bool],
        max_size: int,
    ) -> None:
        self._accept = accept
        self._same_origin = same_origin
        self._max_size = max_size

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one MQTT client until its connection ends."""
        if not self._same_origin(request):
            raise Forbidden("this page's origin is neither the gateway's nor in [http] origins")
        offered = [
            name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        ]
        if SUBPROTOCOL not in offered:  # [MQTT-6.0.0-3]
            raise Invalid("ask for the WebSocket subprotocol mqtt")
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=self._max_size + 16, compress=False
        )
        connection = self._accept()
        await socket.prepare(request)
        if PLACE in request:
            request[PLACE].hand_over()  # the engine counts who signs in
        transport = _Transport(request, socket, connection)
        connection.connection_made(transport)
        lost: Exception | None = None
        try:
            await self._feed(socket, transport, connection)
        except ConnectionError as error:
            lost = error
        finally:
            transport.end()
            connection.connection_lost(lost)
        return socket

    async def _feed(
        self, socket: web.WebSocketResponse, transport: _Transport, connection: asyncio.Protocol
    ) -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:  # [MQTT-6.0.0-1]
                await socket.close(code=1003, message=b"MQTT travels in binary messages")
                return
            connection.data_received(message.data)
            await transport.may_read.wait()


class _Transport(asyncio.Transport):
    """What an MQTT connection sees of its WebSocket."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, connection: asyncio.Protocol
    ) -> None:
        super().__init__()
        assert request.transport is not None
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._below: asyncio.Transport = request.transport
        self._address = request.remote or ""
        self._writer = request.writer
        self._socket = socket
        self._connection = connection
        self._draining: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[Any] | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        self._below.write(binary(data))
        if self._draining is None and self._below.get_write_buffer_size() > HIGH_WATER:
            self._connection.pause_writing()
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            return
        self._draining = None
        self._connection.resume_writing()

    def get_write_buffer_size(self) -> int:
        return 0 if self._below.is_closing() else self._below.get_write_buffer_size()

    def pause_reading(self) -> None:
        self.may_read.clear()

    def resume_reading(self) -> None:
        self.may_read.set()

    def is_closing(self) -> bool:
        return self._ending is not None or self._socket.closed or self._below.is_closing()

    def can_write_eof(self) -> bool:
        return False  # a WebSocket has a handshake of its own for that

    def close(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._socket.close())
            self.may_read.set()

    def end(self) -> None:
        """Let go of what waits for a client that has gone."""
        if self._draining is not None:
            self._draining.cancel()

    def abort(self) -> None:
        self.may_read.set()
        self._below.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":  # also where a proxy says it
            return (self._address, 0)
        return self._below.get_extra_info(name, default)
