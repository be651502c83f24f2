"""Clients of the three projects: their own libraries on threads, and bare WebSockets for what no
library sends.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import websocket
from iotio_client import IoTClient
from iotio_client.PacketEncoder import DefaultPacketEncoder

from gateway.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.daemon import Gateway

WAIT = 60.0


class RealClient:
    """The client from PyPI as it is, on a thread; what its handlers get comes out of `events`."""

    def __init__(self, client_id: str, type_: str, data: dict[str, Any] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.client = IoTClient(client_id, type_, data)
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda: self._happened("disconnect", None)
        self.client.on_error = lambda error: self._happened("error", error)
        self._thread: threading.Thread | None = None
        self._sockets: list[websocket.WebSocket] = []

    def _connected(self) -> None:
        self._sockets.append(self.client._IoTClient__socket)
        self._happened("connect", None)

    def on(self, event: str, *endpoint: Any) -> None:
        self.client.on(event, *endpoint)(lambda message: self._happened(event, message))

    def _happened(self, event: str, message: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.events.put_nowait, (event, message))

    def run(self, port: int) -> None:
        options = {"use_tls": False, "reconnect_delay": 0.1}
        self._thread = threading.Thread(
            target=self.client.run, args=(f"127.0.0.1:{port}",), kwargs=options
        )
        self._thread.start()

    async def next(self, event: str) -> Any:
        """Return the message of the next event of a name."""
        async with asyncio.timeout(WAIT):
            while True:
                happened, message = await self.events.get()
                if happened == event:
                    return message

    async def send(self, event: str, message: Any) -> None:
        await asyncio.to_thread(self.client.send, event, message)

    async def ended(self) -> None:
        """Return when the client has given up by itself."""
        assert self._thread is not None
        await asyncio.to_thread(self._thread.join, WAIT)
        assert not self._thread.is_alive()
        for socket in self._sockets:  # their client leaves them to the garbage collector
            socket.shutdown()

    async def stop(self, gateway: Gateway) -> None:
        """End a client that would reconnect for ever: there is no way to tell it but to close its
        connection.
        """
        if self._thread is not None:
            self.client._IoTClient__fatal_exception = True
            for link in gateway.core.presence.links(self.client._IoTClient__id):
                link.close(Conflict("the test is over"))
            await self.ended()


class Bare:
    """A WebSocket without a library of the project."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def event(self) -> tuple[str, Any]:
        """Return the next packet of iot.io 1, read by their own decoder."""
        async with asyncio.timeout(WAIT):
            return DefaultPacketEncoder.decode(await self.socket.receive_bytes())

    async def send(self, event: str, message: Any) -> None:
        await self.socket.send_bytes(DefaultPacketEncoder.encode(event, message))

    async def text(self) -> str:
        async with asyncio.timeout(WAIT):
            return await self.socket.receive_str()

    async def closed(self) -> int | None:
        """Read to the end and return the close code."""
        async with asyncio.timeout(WAIT):
            async for _ in self.socket:
                pass
        return self.socket.close_code


@asynccontextmanager
async def bare(url: str, **headers: str) -> AsyncIterator[Bare]:
    """Open a WebSocket; underscores in the names of headers are hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=given) as socket:
        yield Bare(socket)


def hello(client_id: str, type_: str, key: str | None = None, **more: str) -> dict[str, str]:
    """Return the headers of iot.io 1."""
    data = {"IoT_IO_Data": json.dumps({"key": key})} if key is not None else {}
    return {
        "IoT_IO_Id": client_id,
        "IoT_IO_Type": type_,
        "IoT_IO_ProtocolVersion": "1",
        **data,
        **more,
    }


class Script:
    """A script of IOTcommunicate: websocket-client with callbacks, as `iotcommute` is built, on a
    thread.
    """

    def __init__(self, url: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.app = websocket.WebSocketApp(
            url,
            on_open=lambda app: self._put("open"),
            on_message=lambda app, message: self._put(json.loads(message)),
            on_close=lambda app, code, reason: self._put(("closed", code)),
        )
        self._thread = threading.Thread(target=self.app.run_forever)

    def _put(self, message: Any) -> None:
        self.loop.call_soon_threadsafe(self.messages.put_nowait, message)

    async def __aenter__(self) -> Script:
        self._thread.start()
        assert await self.next() == "open"
        return self

    async def __aexit__(self, *_: object) -> None:
        socket = self.app.sock
        self.app.keep_running = False
        # whose answer wakes the thread; `close` would wait for it to look at its clock
        socket.send_close()
        await asyncio.to_thread(self._thread.join, WAIT)
        socket.shutdown()

    async def next(self) -> Any:
        async with asyncio.timeout(WAIT):
            return await self.messages.get()

    def send(self, **message: Any) -> None:
        self.app.send(json.dumps(message))
