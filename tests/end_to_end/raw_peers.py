"""Clients on bare sockets, for what no client library does: MQTT packets by hand, a WebSocket that
is not read.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(first: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    length.append(rest)
    return bytes((first, *length)) + body


def connect_packet(device: str, key: str, *, keep_alive: int = 60, client_id: str = "raw") -> bytes:
    """Return a CONNECT of MQTT 3.1.1 with a clean session (section 3.1)."""
    body = (
        b"\x00\x04MQTT\x04\xc2"
        + keep_alive.to_bytes(2, "big")
        + _text(client_id)
        + _text(device)
        + _text(key)
    )
    return _packet(0x10, body)


def publish_packet(topic: str, payload: bytes, packet_id: int = 0) -> bytes:
    """Return a PUBLISH; with a packet id of QoS 1."""
    identifier = packet_id.to_bytes(2, "big") if packet_id else b""
    return _packet(0x32 if packet_id else 0x30, _text(topic) + identifier + payload)


def subscribe_packet(topic_filter: str) -> bytes:
    """Return a SUBSCRIBE of MQTT 3.1.1 with QoS 1."""
    return _packet(0x82, b"\x00\x01" + _text(topic_filter) + b"\x01")


class RawListener:
    """A WebSocket on a socket with small buffers that is read only when asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: dict[str, Any]) -> None:
        data = msgspec.json.encode(message)
        assert len(data) < 126
        self._writer.write(bytes((0x81, 0x80 | len(data))) + b"\0\0\0\0" + data)

    async def message(self) -> dict[str, Any]:
        """Read the next text message; answer pings."""
        while True:
            first, length = await self._reader.readexactly(2)
            if length >= 126:
                length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8))
            data = await self._reader.readexactly(length)
            if first == 0x81:
                return msgspec.json.decode(data)
            assert first == 0x89, hex(first)
            self._writer.write(bytes((0x8A, 0x80 | length)) + b"\0\0\0\0" + data)

    async def frames(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            return [await self.message() for _ in range(count)]


@asynccontextmanager
async def raw_listener(
    port: int, token: str, topic_filter: str, **options: Any
) -> AsyncIterator[RawListener]:
    """Open a WebSocket and subscribe."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=65_536)
    try:
        writer.write(
            b"GET /api/v1/ws HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer %b\r\n\r\n" % token.encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        listener = RawListener(reader, writer)
        listener.send({"type": "subscribe", "id": 1, "filter": topic_filter, **options})
        assert (await listener.message())["type"] == "hello"
        assert (await listener.message())["type"] == "ack"
        yield listener
    finally:
        # What was not read is of no interest: without abort a test would wait for it.
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
