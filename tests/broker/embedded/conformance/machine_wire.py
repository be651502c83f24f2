"""A client of raw bytes on the machine itself: no socket, no port, nothing to wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wire_client import WAIT, Wire

from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.core.client import Client
from gateway.broker.embedded.core.handshake import Address
from tests.packet_stream import Decoder

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Packet
    from gateway.broker.embedded.core.broker import Broker
    from gateway.broker.port import Departure


class Shell:
    """What a shell does for a client, in memory: `core.wire.Wire`, and its own sink."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.written = b""
        self.ended = False
        self.news = asyncio.Event()
        self._unread = b""
        self.sink = self
        self.client = Client(broker, self, Address("127.0.0.1"))

    def write(self, data: bytes) -> None:
        self.written += data
        self.news.set()

    def get_write_buffer_size(self) -> int:
        return 0

    def receive(self, data: bytes) -> None:
        """Feed what the client sends."""
        self.client.heard = self.broker.wheel.now
        self._unread += data
        self.let_in()

    def let_in(self) -> None:
        if not self.client.over and self._unread:
            data, self._unread = self._unread, b""
            left = data[self.client.feed(data, 0) :]
            self._unread = left + self._unread
            self.broker.shared.flush()

    def over(self, departure: Departure, *, hang_up: bool) -> None:
        self.ended = True
        self.news.set()
        self.client.lost()

    def abort(self) -> None:
        self.ended = True


class MachineWire(Wire):
    """The same client as over a socket."""

    def __init__(self, broker: Broker, version: int) -> None:
        self.version = version
        self._shell = Shell(broker)
        self._decoder = Decoder(1 << 28, sender=Sender.SERVER, version=version)
        self._packets: list[Packet] = []

    def send(self, *data: bytes) -> None:
        self._shell.receive(b"".join(data))

    async def drain(self) -> None:
        """Nothing is under way."""

    def abort(self) -> None:
        self._shell.client.lost()

    async def close(self) -> None:
        self._shell.client.lost()

    async def bytes(self, count: int) -> bytes:
        self._go_on()
        data, self._shell.written = self._shell.written[:count], self._shell.written[count:]
        assert len(data) == count
        return data

    async def read(self) -> Packet | None:
        while not self._packets:
            self._go_on()
            data, self._shell.written = self._shell.written, b""
            self._packets += self._decoder.feed(data)
            if not self._packets:
                if self._shell.ended:
                    return None
                self._shell.news.clear()  # another task may cause it
                async with asyncio.timeout(WAIT):
                    await self._shell.news.wait()
        return self._packets.pop(0)

    def _go_on(self) -> None:
        broker = self._shell.broker
        while broker.shared.eager:
            broker.go_on()
