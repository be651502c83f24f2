"""An MQTT 5 client that shows every reason code, over TCP, TLS or WebSocket, for tests of who may
do what.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)
from tests.packet_stream import Decoder

if TYPE_CHECKING:
    import ssl

WAIT = 60.0


class Wire:
    """One connection. `messages` are those that came so far; `goodbye` is the server's reason to
    end it.
    """

    def __init__(self, version: int = 5) -> None:
        self.messages: list[Publish] = []
        self.goodbye: int | None = None
        self._version = version
        self._decoder = Decoder(1 << 20, sender=Sender.SERVER, version=version)
        self._packets: list[Packet] = []
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._id = 0

    @classmethod
    async def tcp(cls, port: int, tls: ssl.SSLContext | None = None, **options: Any) -> Self:
        """Connect to the MQTT port."""
        wire = cls(**options)
        name = {"server_hostname": "localhost"} if tls else {}
        wire._streams = await asyncio.open_connection("127.0.0.1", port, ssl=tls, **name)
        return wire

    @classmethod
    async def websocket(cls, session: aiohttp.ClientSession, url: str, **options: Any) -> Self:
        """Connect to `/mqtt` on the HTTP port."""
        wire = cls()
        wire._socket = await session.ws_connect(f"{url}/mqtt", protocols=("mqtt",), **options)
        return wire

    async def sign_in(
        self, username: str | None, password: str | None, client_id: str = "", **more: Any
    ) -> int:
        """Send CONNECT; return the reason code of the CONNACK."""
        secret = None if password is None else password.encode()
        level = self._version
        await self.send(
            Connect(client_id, level, username=username, password=secret, keep_alive=60, **more)
        )
        answer = await self._next(Connack)
        return answer.reason_code

    async def publish(self, topic: str, payload: bytes = b"1", **more: Any) -> int:
        """Publish with QoS 1; return the reason code of the PUBACK."""
        self._id += 1
        await self.send(Publish(topic, payload, qos=1, packet_id=self._id, **more))
        return (await self._next(Puback)).reason_code

    async def subscribe(self, topic_filter: str, qos: int = 0) -> int:
        """Return the reason code of the SUBACK; below 0x80 it is granted."""
        self._id += 1
        await self.send(Subscribe(self._id, (Subscription(topic_filter, qos),)))
        return (await self._next(Suback)).reason_codes[0]

    async def ping(self) -> None:
        """Ask, and wait for the answer: what was sent before it has come, too."""
        await self.send(Pingreq())
        await self._next(Pingresp)

    async def message(self) -> Publish:
        """Return the next message."""
        async with asyncio.timeout(WAIT):
            while not self.messages:
                self._take(await self._read())
        return self.messages.pop(0)

    async def ended(self, within: float = WAIT) -> int | None:
        """Wait for the server to end the connection; return the reason that it gave."""
        async with asyncio.timeout(within):
            with suppress(EOFError, ConnectionError):
                while True:
                    self._take(await self._read())
        return self.goodbye

    async def acknowledged(self, count: int) -> None:
        """Wait for so many PUBACKs."""
        for _ in range(count):
            await self._next(Puback)

    async def send(self, packet: Packet) -> None:
        await self.send_bytes(encode(packet, self._version))

    async def send_bytes(self, data: bytes) -> None:
        if self._streams is not None:
            self._streams[1].write(data)
            await self._streams[1].drain()
        else:
            assert self._socket is not None
            await self._socket.send_bytes(data)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
        elif self._socket is not None:
            await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _next(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(WAIT):
            while True:
                for packet in self._packets:
                    if isinstance(packet, kind):
                        self._packets.remove(packet)
                        return packet
                self._take(await self._read())

    async def _read(self) -> bytes:
        if self._streams is not None:
            data = await self._streams[0].read(1 << 16)
            if not data:
                raise EOFError
            return data
        assert self._socket is not None
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise EOFError
        return message.data

    def _take(self, data: bytes) -> None:
        for packet in self._decoder.feed(data):
            if isinstance(packet, Publish):
                self.messages.append(packet)
            elif isinstance(packet, Disconnect):
                self.goodbye = packet.reason_code
            else:
                self._packets.append(packet)
