# mypy: allow-subclassing-any
# (amqtt ships no types)
"""The two halves of a socket as amqtt wants them: bounded reading that can be paused, writing that
never waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from amqtt.adapters import ReaderAdapter, WriterAdapter

from gateway.broker.amqtt.packets import Frame, split

if TYPE_CHECKING:
    import ssl

    from gateway.broker.port import Departure

READ_SIZE = 65_536


class PacketReader(ReaderAdapter):
    """Whole packets off one socket, as many as one read brings.

    `packet_limit` bounds a packet, `keep_alive` (seconds, 0 for none) the time from one packet to
    the next. While paused nothing is read, and the time does not run.
    """

    def __init__(self, stream: asyncio.StreamReader, packet_limit: int, timeout: float) -> None:
        self.packet_limit = packet_limit
        self.keep_alive = timeout
        self._stream = stream
        self._buffer = bytearray()
        self._paused = False
        self._open = asyncio.Event()
        self._open.set()

    def pause(self) -> None:
        self._paused = True
        self._open.clear()

    def resume(self) -> None:
        self._paused = False
        self._open.set()

    def hold(self, seconds: float) -> None:
        """Read nothing for so long: who is at the other end sends too fast."""
        if seconds > 0 and not self._paused:
            self._open.clear()
            asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if not self._paused:
            self._open.set()

    async def first(self) -> Frame | None:
        """Return the first packet, None at the end of the stream; what came with it stays for
        `packets`.
        """
        frames = await self._next(1)
        return frames[0] if frames else None

    async def packets(self) -> list[Frame]:
        """Return the packets that one read brought, none at the end of the stream.

        Raises `TimeoutError` when the keep-alive has passed, and what `split` raises.
        """
        return await self._next(None)

    async def _next(self, most: int | None) -> list[Frame]:
        deadline = self._deadline()
        while True:
            if not self._open.is_set():
                await self._open.wait()
                deadline = self._deadline()
            if self._buffer and (frames := split(self._buffer, self.packet_limit, most)):
                return frames
            async with asyncio.timeout_at(deadline):
                chunk = await self._stream.read(READ_SIZE)
            if not chunk:
                return []
            self._buffer += chunk

    def _deadline(self) -> float | None:
        return asyncio.get_running_loop().time() + self.keep_alive if self.keep_alive else None

    async def read(self, n: int = -1) -> bytes:
        """Nothing: amqtt would read bytes here, but the handler takes whole packets."""
        return b""

    def feed_eof(self) -> None:
        self._stream.feed_eof()


class PacketWriter(WriterAdapter):
    """Packets onto one socket. The transport's buffer is bounded: who does not read is cut off at
    twice `soft_limit`.

    `departure` is why the connection ends, once that is known.
    """

    def __init__(self, stream: asyncio.StreamWriter, soft_limit: int) -> None:
        self.departure: Departure | None = None
        self._stream = stream
        self._soft_limit = soft_limit
        self._peer = stream.get_extra_info("peername")  # a closed TLS stream no longer tells

    @property
    def full(self) -> bool:
        """Whether there is no room for what may be dropped."""
        transport = self._stream.transport
        return not transport.is_closing() and transport.get_write_buffer_size() > self._soft_limit

    @property
    def certificate(self) -> str | None:
        """The common name in the client's certificate."""
        certificate = self._stream.get_extra_info("peercert") or {}
        names = (pair for part in certificate.get("subject", ()) for pair in part)
        return next((value for key, value in names if key == "commonName"), None)

    def write(self, data: bytes) -> None:
        transport = self._stream.transport
        if transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > 2 * self._soft_limit:
            self.leave("cut_off")

    def leave(self, reason: Departure) -> None:
        """End the connection; the first reason given is the one that counts. What the client has
        not taken is lost.
        """
        self.departure = self.departure or reason
        transport = self._stream.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() or reason in {"keep_alive", "taken_over"}:
            transport.abort()  # nobody is there to wait for
        else:
            transport.close()

    async def drain(self) -> None:
        """Never wait: a client that does not read must not stop its own keep-alive from being
        watched.
        """

    async def close(self) -> None:
        self.leave("lost")

    def get_peer_info(self) -> tuple[str, int] | None:
        return (self._peer[0], self._peer[1]) if self._peer else None

    def get_ssl_info(self) -> ssl.SSLObject | None:
        connection: ssl.SSLObject | None = self._stream.get_extra_info("ssl_object")
        return connection
