"""A device that speaks MQTT packet by packet, so that a test decides what it acknowledges and how
it goes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from gateway.broker.embedded.codec.decode import Sender, decode
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Connack,
    Connect,
    Disconnect,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Packet

PATIENCE = 10.0  # s


class WireDevice:
    """One connection; what comes is read only when the test asks for it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._version = version
        self._data = b""
        self._publications: deque[Publish] = deque()  # they may come before the SUBACK (3.8.4)

    @classmethod
    async def connect(
        cls, port: int, device: str, key: str, *, version: int = 4, **options: Any
    ) -> Self:
        """Sign in; `options` are fields of CONNECT."""
        made = cls(*await asyncio.open_connection("127.0.0.1", port), version)
        options.setdefault("client_id", device)
        try:
            made.write(
                Connect(protocol_level=version, username=device, password=key.encode(), **options)
            )
            answer = await made.read()
            assert isinstance(answer, Connack)
            assert answer.reason_code == 0
        except BaseException:
            made.cut()
            raise
        return made

    def write(self, *packets: Packet) -> None:
        self._writer.write(b"".join(encode(packet, self._version) for packet in packets))

    async def read(self) -> Packet:
        """Return the next packet; raises `EOFError` at the end."""
        async with asyncio.timeout(PATIENCE):
            while (found := self._decoded()) is None:
                more = await self._reader.read(65536)
                if not more:
                    raise EOFError
                self._data += more
        packet, position = found
        self._data = self._data[position:]
        return packet

    def _decoded(self) -> tuple[Packet, int] | None:
        return decode(self._data, 0, self._version, 1 << 20, Sender.SERVER) if self._data else None

    async def command(self) -> Publish:
        """Return the next PUBLISH."""
        while not self._publications:
            self._keep(await self.read())
        return self._publications.popleft()

    def _keep(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            self._publications.append(packet)

    async def end(self) -> None:
        """Return when the gateway has closed the connection."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                await self.read()
        self.cut()

    async def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        self.write(Subscribe(1, (Subscription(topic_filter, qos),)))
        while not isinstance(packet := await self.read(), Suback):
            self._keep(packet)

    def acknowledge(self, command: Publish, code: int = 0) -> None:
        self.write(Puback(command.packet_id, code))

    def goodbye(self) -> None:
        self.write(Disconnect())
        self._writer.close()

    def cut(self) -> None:
        """End without a word."""
        self._writer.transport.abort()
