"""The amqtt engine: MQTT 3.1.1 by the amqtt package. docs/engines.md says what is amqtt's part and
what is left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from gateway.broker.amqtt.broker import GateBroker
from gateway.broker.amqtt.streams import READ_SIZE, PacketReader, PacketWriter
from gateway.rates import Rates
from gateway.seats import Seats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable

    from gateway.broker.port import Connection, Gate, Message

_log = logging.getLogger(__name__)
_STOP = 5.0  # seconds for connections to end by themselves
_TLS_HANDSHAKE = 10.0
CONNECTIONS = 10_000  # where nobody else counts them


class AmqttEngine:
    """An engine of the Broker port.

    `seats` bound the open sockets, signed in or not, and with them those of other entrances;
    `packet_size` bounds a packet, in bytes; `connect_timeout` the seconds
    from a socket's opening to its CONNECT. For each session `window` QoS 1 messages are in flight
    and `queue` wait; `write_buffer` bytes are held for a client that reads slowly. A session is
    kept `session_expiry` seconds. `start` must run on the event loop that the engine is used from.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        host: str,
        port: int = 1883,
        tls: ssl.SSLContext | None = None,
        tls_port: int = 8883,
        seats: Seats | None = None,
        rates: Rates | None = None,
        packet_size: int = 262_144,
        connect_timeout: float = 10.0,
        window: int = 20,
        queue: int = 1000,
        write_buffer: int = 1_048_576,
        sessions: int = 20_000,
        subscriptions: int = 1000,
        retained: int = 10_000,
        session_expiry: int = 604_800,
    ) -> None:
        self._gate = gate
        self._host = host
        self._listeners = {"mqtt": (port, None)} | ({"mqtts": (tls_port, tls)} if tls else {})
        self._seats = seats or Seats(CONNECTIONS)
        self._rates = rates or Rates(0, time.monotonic)
        self._connect_timeout = connect_timeout
        self._write_buffer = write_buffer
        self._limits = {
            "packet": packet_size, "window": window, "queue": queue,
            "sessions": sessions, "subscriptions": subscriptions, "retained": retained,
        }  # fmt: skip
        self._session_expiry = session_expiry
        self._broker: GateBroker | None = None
        self._servers: dict[str, asyncio.Server] = {}
        self._tasks: dict[asyncio.Task[None], tuple[PacketReader, PacketWriter]] = {}
        self._paused = False

    async def start(self) -> None:
        try:
            for name, (port, tls) in self._listeners.items():
                self._servers[name] = await self._listen(port, tls)
        except OSError:
            await self._close_listeners()
            raise
        self._broker = GateBroker(self._gate, self._limits, self._session_expiry, self._rates)
        await self._broker.start()
        for server in self._servers.values():
            await server.start_serving()

    def quiet(self) -> None:
        self.pause()

    async def stop(self) -> None:
        if self._broker is None:
            return
        for server in self._servers.values():
            server.close()
        for reader, writer in self._tasks.values():
            writer.leave("stopped")
            reader.resume()
        await self._end_tasks()
        await self._close_listeners()
        await self._broker.shutdown()
        self._broker = None

    @property
    def ports(self) -> dict[str, int]:
        return {name: server.sockets[0].getsockname()[1] for name, server in self._servers.items()}

    def publish(self, message: Message) -> None:
        if self._broker is not None:
            self._broker.delivery.deliver(message)

    def connections(self) -> Iterable[Connection]:
        if self._broker is None:
            return ()
        return tuple(client for client in self._broker.clients.values() if client.announced)

    def forget(self) -> None:
        if self._broker is not None:
            self._broker.forget()

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None = None) -> None:
        if self._broker is not None:
            self._broker.purge(keys, owns)

    def pause(self) -> None:
        self._paused = True
        for reader, _ in self._tasks.values():
            reader.pause()

    def resume(self) -> None:
        self._paused = False
        for reader, _ in self._tasks.values():
            reader.resume()

    def statistics(self) -> dict[str, int]:
        names = (
            "messages_received", "messages_sent", "messages_dropped", "messages_refused",
            "messages_failed",
            "retained_dropped", "sign_ins_refused", "subscriptions_refused", "connections_refused",
        )  # fmt: skip
        if self._broker is None:
            return dict.fromkeys(names, 0)
        return {name: self._broker.statistics[name] for name in names} | {
            "connections": len(self._broker.clients),
            "sessions": len(self._broker.sessions),
            "subscriptions": sum(map(len, self._broker.subscriptions.values())),
            "retained": len(self._broker.retained_messages),
        }

    def accept(self) -> asyncio.Protocol:
        """Return the protocol for one more client, on whatever transport its bytes come: MQTT over
        WebSocket.
        """
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=READ_SIZE), self._serve)

    async def _listen(self, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        timeouts = (
            {"ssl_handshake_timeout": _TLS_HANDSHAKE, "ssl_shutdown_timeout": _STOP} if tls else {}
        )
        return await asyncio.start_server(
            self._serve,
            self._host or None,
            port,
            ssl=tls,
            limit=READ_SIZE,
            start_serving=False,
            **timeouts,
        )

    async def _serve(
        self, stream_in: asyncio.StreamReader, stream_out: asyncio.StreamWriter
    ) -> None:
        broker, task = self._broker, asyncio.current_task()
        if broker is None or task is None or self._seats.full():
            if broker is not None:
                broker.statistics["connections_refused"] += 1
            stream_out.transport.abort()
            return
        # Before sign-in a packet is no longer than one read.
        reader = PacketReader(
            stream_in, min(READ_SIZE, self._limits["packet"]), self._connect_timeout
        )
        writer = PacketWriter(stream_out, self._write_buffer)
        self._tasks[task] = reader, writer
        self._seats.take()
        if self._paused:
            reader.pause()
        try:
            await broker.serve(reader, writer)
        finally:
            del self._tasks[task]
            self._seats.leave()

    async def _end_tasks(self) -> None:
        if not self._tasks:
            return
        await asyncio.wait(tuple(self._tasks), timeout=_STOP)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=_STOP)

    async def _close_listeners(self) -> None:
        for server in self._servers.values():
            server.close()
            await server.wait_closed()
        self._servers.clear()
