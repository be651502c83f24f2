"""The shell of one client: its transport read, written and closed as the machine says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from gateway.broker.embedded.core.client import Client
from gateway.broker.embedded.core.handshake import Address
from gateway.broker.embedded.strangers import Strangers

if TYPE_CHECKING:
    from gateway.broker.embedded.core.broker import Broker
    from gateway.broker.port import Departure


class Transport(Protocol):
    """What a connection needs of an asyncio transport, so that a WebSocket can be one too."""

    def write(self, data: bytes) -> object: ...
    def can_write_eof(self) -> bool: ...
    def write_eof(self) -> object: ...
    def is_closing(self) -> bool: ...
    def close(self) -> object: ...
    def abort(self) -> object: ...
    def pause_reading(self) -> object: ...
    def resume_reading(self) -> object: ...
    def get_write_buffer_size(self) -> int: ...
    def get_extra_info(self, name: str, default: object = None) -> object: ...


class Connections:
    """The connections of one broker by what they wait for.

    `strangers`: for their sign-in; `stalled`: for the intake; `closing`: over, but their transports
    are not. `closed` is set whenever there are none of these.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.strangers: Strangers[Connection] = Strangers()
        self.stalled: set[Connection] = set()
        self.closing: set[Connection] = set()
        self.closed = asyncio.Event()

    def welcome(self, connection: Connection) -> None:
        """Take in a stranger; where there are too many, the one that has waited longest at the most
        crowded address goes.
        """
        if len(self.strangers) >= self.broker.shared.limits.strangers:
            self.strangers.makes_room().client.turn_away()
        self.strangers.add(connection, connection.client.address)

    def proceed(self) -> None:
        """The intake has room: read on where it was waited for."""
        stalled, self.stalled = self.stalled, set()
        for connection in stalled:
            connection.read_on()


class Connection(asyncio.Protocol):
    """A connection as its transport sees it; the `Wire` of its client."""

    __slots__ = ("_chunks", "_connections", "client", "sink", "still")

    client: Client
    sink: Transport

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.still = False  # the transport does not read
        # What has come of an incomplete packet, or waits to be handled.
        self._chunks: list[bytes] | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes that have come and are not handled."""
        return sum(map(len, self._chunks or ()))

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.sink = cast("Transport", transport)
        self.client = Client(self._connections.broker, self, _address(self.sink))
        self._connections.welcome(self)

    def data_received(self, data: bytes) -> None:
        client, broker, count = self.client, self._connections.broker, len(data)
        client.heard = broker.wheel.now
        broker.shared.counters.bytes_received += count
        if self._chunks is not None:
            self._chunks.append(data)
            client.missing -= count
            if client.missing > 0:
                self._keep(count)
                return
            data = b"".join(self._chunks)
            self._chunks = None
        self._read(data)
        if self._chunks is not None:
            self._keep(count)
        broker.shared.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.client.lost()
        closing = self._connections.closing
        closing.discard(self)
        if not closing:
            self._connections.closed.set()

    def pause_writing(self) -> None:
        self.client.blocked()

    def resume_writing(self) -> None:
        self.client.unblocked()
        self.read_on()

    # Reading.

    def _keep(self, count: int) -> None:
        """Count what a stranger makes us keep of an incomplete CONNECT."""
        connections, client = self._connections, self.client
        most = connections.broker.shared.limits.strangers_bytes
        if not connections.strangers.keep(self, client.address, count, most):
            client.turn_away()

    def _read(self, data: bytes) -> None:
        """Have the packets in `data` handled, and keep what is left over."""
        client = self.client
        waits = client.wait > 0
        position = client.feed(data, 0)
        if client.wait and not waits:
            asyncio.get_running_loop().call_later(client.wait, self._waited)
            self._stop_reading()
        if position < len(data) and not client.over:
            self._chunks = [data[position:] if position else data]
            if not client.reads:
                self._stop_reading()

    def _stop_reading(self) -> None:
        """Leave what comes to the socket until `read_on`."""
        if self._connections.broker.paused:
            self._connections.stalled.add(self)
        if not self.still:
            self.still = True
            self.sink.pause_reading()

    def _waited(self) -> None:
        self.client.wait = 0.0
        self.read_on()

    def read_on(self) -> None:
        """Go on reading, if nothing else forbids it."""
        client = self.client
        chunks = self._chunks
        if chunks and client.reads:
            self._chunks = None
            self._read(b"".join(chunks))
            self._connections.broker.shared.flush()
        if client.over or not self.still:
            return
        if client.reads:
            self.still = False
            self.sink.resume_reading()
        else:
            self._stop_reading()

    # What the client asks for.

    def let_in(self) -> None:
        self._connections.strangers.discard(self, self.client.address)
        self.read_on()

    def over(self, departure: Departure, *, hang_up: bool) -> None:
        connections = self._connections
        connections.strangers.discard(self, self.client.address)
        connections.stalled.discard(self)
        self._chunks = None
        if hang_up:
            self._hang_up()
        else:
            self.sink.close()
        if departure != "lost":
            connections.closing.add(self)

    def _hang_up(self) -> None:
        """Close our direction, and let go of what still comes until the client has closed its own.

        To close at once on a client that is still sending resets the connection: it would not get
        its DISCONNECT. The client's deadline ends the waiting.
        """
        sink = self.sink
        if sink.is_closing() or not sink.can_write_eof():
            sink.close()
            return
        sink.write_eof()
        if self.still:
            sink.resume_reading()

    def abort(self) -> None:
        self.sink.abort()


def _address(transport: Transport) -> Address:
    """Return where a client connects from, as far as its transport knows."""
    peer = transport.get_extra_info("peername")
    ip = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    return Address(ip, _certificate_name(transport.get_extra_info("peercert")))


def _certificate_name(certificate: object) -> str | None:
    """Return the common name in the client's certificate, which TLS has checked."""
    if not isinstance(certificate, dict):
        return None
    names = [
        value
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName"
    ]
    return names[0] if names else None
