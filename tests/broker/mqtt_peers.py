"""The two kinds of MQTT client that the engine tests talk through: paho-mqtt, and raw bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import paho.mqtt.client as paho
from fake_gate import PATIENCE
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    import ssl


class Peer:
    """A paho-mqtt client whose callbacks arrive in queues of the event loop; leaves at the end of
    its `async with`.
    """

    def __init__(
        self, port: int, username: str, client_id: str = "", *, clean: bool = True, **options: Any
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.port = port
        self.keep_alive: int = options.get("keep_alive", 60)
        self.messages: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.gone: asyncio.Queue[Any] = asyncio.Queue()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id or username,
            clean_session=clean,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=options.get("manual_ack", False),
        )
        self.client.username_pw_set(username, options.get("password", f"key-{username}"))
        if context := options.get("tls"):
            self.client.tls_set_context(context)
        if will := options.get("will"):
            self.client.will_set(*will)
        self.client.on_connect = lambda c, u, flags, code, p: self._put(self.answers, (flags, code))
        self.client.on_subscribe = lambda c, u, mid, codes, p: self._put(
            self.answers, [code.value for code in codes]
        )
        self.client.on_publish = lambda c, u, mid, code, p: self._put(
            self.answers, ("published", mid)
        )
        self.client.on_message = lambda c, u, message: self._put(self.messages, message)
        self.client.on_disconnect = lambda c, u, flags, code, p: self._put(self.gone, code)

    def _put(self, queue: asyncio.Queue[Any], item: Any) -> None:
        self._loop.call_soon_threadsafe(queue.put_nowait, item)

    async def connect(self) -> Any:
        """Connect and return (flags, reason code)."""
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port, self.keep_alive)
        self.client.loop_start()
        return await self.answer()

    async def answer(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.answers.get()

    async def subscribe(self, topic_filter: str, qos: int = 0) -> Any:
        self.client.subscribe(topic_filter, qos)
        return await self.answer()

    async def publish(
        self, topic: str, payload: bytes | str, qos: int = 0, *, retain: bool = False
    ) -> None:
        self.client.publish(topic, payload, qos, retain)
        await self.answer()

    async def message(self) -> paho.MQTTMessage:
        async with asyncio.timeout(PATIENCE):
            return await self.messages.get()

    async def leave(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()


def packet(first: int, body: bytes) -> bytes:
    """Return a packet with its remaining length."""
    length, rest = bytearray(), len(body)
    while True:
        length.append(rest % 128 | (0x80 if rest > 127 else 0))
        rest //= 128
        if not rest:
            return bytes((first,)) + bytes(length) + body


def text(value: str | bytes) -> bytes:
    """Return a string field; bytes go in as they are, for what is no UTF-8."""
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def connect_packet(
    username: str, password: str, client_id: str, *, keep_alive: int = 60, clean: bool = True
) -> bytes:
    """Return a CONNECT packet of MQTT 3.1.1 without a will."""
    head = text("MQTT") + bytes((4, 0xC2 if clean else 0xC0)) + keep_alive.to_bytes(2, "big")
    return packet(0x10, head + text(client_id) + text(username) + text(password))


def publish_packet(
    topic: str | bytes, payload: bytes, qos: int = 0, packet_id: int = 1, *, dup: bool = False
) -> bytes:
    """Return a PUBLISH packet; its packet id counts above QoS 0."""
    number = packet_id.to_bytes(2, "big") if qos else b""
    return packet(0x30 | qos << 1 | (8 if dup else 0), text(topic) + number + payload)


class Raw:
    """A socket that speaks MQTT byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))

    @classmethod
    async def signed_in(cls, port: int, username: str, **options: Any) -> Self:
        peer = await cls.open(port)
        peer.send(
            connect_packet(
                username, f"key-{username}", options.pop("client_id", username), **options
            )
        )
        assert (await peer.read(4))[:2] == b"\x20\x02"
        return peer

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readexactly(count)

    async def end(self) -> bytes:
        """Return what still comes until the server closes."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
