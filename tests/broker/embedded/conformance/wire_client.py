"""A client of raw bytes: it writes packets by hand, right or wrong, and decodes strictly what the
server sends.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from gateway.broker.embedded.codec import properties
from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.codec.packets import (
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Properties,
    Publish,
    Suback,
)
from tests.packet_stream import Decoder

WAIT = 60.0
PINGREQ = b"\xc0\0"
PUBACK, PUBREC, PUBREL, PUBCOMP = 0x40, 0x50, 0x62, 0x70

P = TypeVar("P")


def length(value: int) -> bytes:
    """Return a variable byte integer."""
    out = bytearray()
    while value > 127:
        out.append(value % 128 | 128)
        value //= 128
    return bytes((*out, value))


def packet(first: int, *parts: bytes) -> bytes:
    """Return a packet with its remaining length."""
    body = b"".join(parts)
    return bytes((first,)) + length(len(body)) + body


def two(value: int) -> bytes:
    """Return a two byte integer."""
    return value.to_bytes(2, "big")


def text(value: str | bytes) -> bytes:
    """Return a string field; bytes go in as they are, for what is no UTF-8."""
    raw = value.encode() if isinstance(value, str) else value
    return two(len(raw)) + raw


def props(version: int, raw: bytes = b"", **fields: Any) -> bytes:
    """Return the properties of a packet, none before MQTT 5; `raw` goes in as it is."""
    if version < 5:
        return b""
    fields_ = raw + properties.write_fields(Properties(**fields))
    return length(len(fields_)) + fields_


def connect(
    version: int,
    client_id: str | bytes = "c",
    *,
    name: str = "MQTT",
    level: int | None = None,
    flags: int | None = None,
    clean: bool = True,
    keep_alive: int = 0,
    will: bytes = b"",
    will_flags: int = 0x04,
    username: str | bytes | None = "d",
    password: bytes | None = None,
    properties: bytes | None = None,
) -> bytes:
    """Return a CONNECT; `will` is that part of the payload, `flags` replaces the flags that fit the
    fields.
    """
    fitting = (
        clean << 1
        | (will_flags if will else 0)
        | (username is not None) << 7
        | (password is not None) << 6
    )
    return packet(
        0x10,
        text(name),
        bytes((version if level is None else level, fitting if flags is None else flags)),
        two(keep_alive),
        props(version) if properties is None else properties,
        text(client_id),
        will,
        b"" if username is None else text(username),
        b"" if password is None else text(password),
    )


def will(version: int, topic: str | bytes, payload: bytes = b"gone", **fields: Any) -> bytes:
    """Return the will in the payload of a CONNECT."""
    return props(version, **fields) + text(topic) + text(payload)


def publish(
    version: int, topic: str | bytes, payload: bytes = b"", qos: int = 0, packet_id: int = 1, *,
    retain: bool = False,
    dup: bool = False, raw: bytes = b"", **fields: Any,
) -> bytes:  # fmt: skip
    """Return a PUBLISH; its packet id counts above QoS 0."""
    number = two(packet_id) if qos else b""
    return packet(
        0x30 | dup << 3 | qos << 1 | retain,
        text(topic),
        number,
        props(version, raw, **fields),
        payload,
    )


def answer(first: int, packet_id: int, reason: int | None = None) -> bytes:
    """Return a PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return packet(first, two(packet_id), b"" if reason is None else bytes((reason,)))


def subscribe(
    version: int, packet_id: int, *filters: tuple[str | bytes, int], raw: bytes = b"", **fields: Any
) -> bytes:
    """Return a SUBSCRIBE for filters with their options bytes."""
    asked = b"".join(text(topic_filter) + bytes((options,)) for topic_filter, options in filters)
    return packet(0x82, two(packet_id), props(version, raw, **fields), asked)


def unsubscribe(version: int, packet_id: int, *filters: str | bytes) -> bytes:
    """Return an UNSUBSCRIBE."""
    return packet(0xA2, two(packet_id), props(version), *map(text, filters))


def disconnect(version: int, reason: int = 0, **fields: Any) -> bytes:
    """Return a DISCONNECT."""
    if version < 5 or not (reason or fields):
        return b"\xe0\0"
    return packet(0xE0, bytes((reason,)), props(5, **fields))


class Wire:
    """One network connection to the server, before or after its CONNECT."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int
    ) -> None:
        self.version = version
        self.connack = Connack()
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(1 << 28, sender=Sender.SERVER, version=version)
        self._packets: list[Packet] = []

    @classmethod
    async def dial(cls, port: int, version: int) -> Wire:
        """Open a connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), version)

    def send(self, *data: bytes) -> None:
        """Send bytes in one write."""
        self._writer.write(b"".join(data))

    async def drain(self) -> None:
        await self._writer.drain()

    def abort(self) -> None:
        """End the connection without a word, as a lost network does."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection in order."""
        self._writer.close()

    async def bytes(self, count: int) -> bytes:
        """Return what the server sends as it comes; not to be mixed with `read`."""
        async with asyncio.timeout(WAIT):
            return await self._reader.readexactly(count)

    async def read(self) -> Packet | None:
        """Return the next packet, None at the end of the stream."""
        while not self._packets:
            try:
                async with asyncio.timeout(WAIT):
                    data = await self._reader.read(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self._packets += self._decoder.feed(data)
        return self._packets.pop(0)

    async def get(self, kind: type[P]) -> P:
        """Return the next packet, which is of this kind."""
        found = await self.read()
        assert isinstance(found, kind), f"{found!r} is no {kind.__name__}"
        return found

    async def so_far(self) -> list[Packet]:
        """Return what was caused before, as two rounds of PINGREQ and PINGRESP show.

        The first answer may stand before those of packets that were read together with its PINGREQ.
        """
        found: list[Packet] = []
        for _ in range(2):
            self.send(PINGREQ)
            while not isinstance(one := await self.read(), Pingresp):
                assert one is not None, f"closed after {found!r}"
                found.append(one)
        return found

    async def messages(self) -> list[Publish]:
        """Return the messages that have come so far."""
        return [one for one in await self.so_far() if isinstance(one, Publish)]

    async def payloads(self) -> list[bytes]:
        """Return the payloads of the messages that have come so far."""
        return [message.payload for message in await self.messages()]

    async def rest(self) -> list[Packet]:
        """Return what comes until the server closes."""
        found: list[Packet] = []
        while (one := await self.read()) is not None:
            found.append(one)
        return found

    async def cut_off(self, reason: int) -> None:
        """Expect that the server closes now; with MQTT 5 it says why."""
        assert await self.rest() == ([Disconnect(reason)] if self.version == 5 else [])

    async def turned_away(self, reason: int, return_code: int | None = None) -> None:
        """Expect that a CONNECT is refused; before MQTT 5 without a CONNACK where there is no
        return code for it.
        """
        code = reason if self.version == 5 else return_code
        assert await self.rest() == ([] if code is None else [Connack(False, code)])

    async def subscribe(self, *filters: str, options: int = 0, **fields: Any) -> tuple[int, ...]:
        """Subscribe and return the reason codes."""
        self.send(subscribe(self.version, 77, *((one, options) for one in filters), **fields))
        found = await self.get(Suback)
        assert found.packet_id == 77
        return found.reason_codes

    async def publish(
        self, topic: str, payload: bytes = b"x", qos: int = 0, packet_id: int = 1, **more: Any
    ) -> list[Packet]:
        """Publish, and return all that came until the server had taken it in; PUBREC and PUBREL are
        exchanged.
        """
        self.send(publish(self.version, topic, payload, qos, packet_id, **more))
        if qos == 2:
            self.send(answer(PUBREL, packet_id))
        return await self.so_far()
