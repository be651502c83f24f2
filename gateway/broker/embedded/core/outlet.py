"""The way out to one connected client: what it gets is gathered here and written once a batch."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from gateway.broker.embedded.core.durable import Delivery, Step
from gateway.broker.embedded.core.exchange import Backlog, Exchange
from gateway.broker.embedded.core.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core
    from gateway.broker.port import Done, Message, Sent, Told

_AT_ONCE: Final = 64  # retained messages between two writes
_END: Final = object()


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


class Outlet:
    """One client's packets. `five`: it speaks MQTT 5; `largest`: the packet size it takes.

    `aliases`: how many topics it lets be replaced by an alias; `window`: its receive maximum,
    within our own; `unanswered`: the messages from it with QoS 1 that are not stored yet.
    """

    __slots__ = (
        "_aliases", "_blocked", "_core", "_most_aliases", "_parts", "_replay", "_session", "_transport", "five",
        "largest", "unanswered", "window",
    )  # fmt: skip

    def __init__(
        self,
        core: Core,
        session: Session,
        transport: Transport,
        *,
        five: bool,
        largest: int,
        window: int,
        aliases: int,
    ) -> None:
        self._core = core
        self._session = session
        self._transport: Transport | None = transport
        self._parts: list[bytes] | None = None
        self._replay: Iterator[None] | None = None
        self._blocked = False
        self._aliases: dict[bytes, int] | None = {} if aliases else None
        self._most_aliases = aliases
        self.five = five
        self.largest = largest
        self.window = window
        self.unanswered = 0

    def put(self, packet: bytes) -> None:
        """Add packets to the next write."""
        if self._parts is not None:
            self._parts.append(packet)
        elif self._transport is not None:
            self._parts = [packet]
            self._core.to_write(self)

    def flush(self) -> None:
        """Write what was gathered."""
        parts, self._parts = self._parts, None
        if parts and self._transport is not None:
            data = b"".join(parts)
            self._core.counters.bytes_sent += len(data)
            self._transport.write(data)

    def end(self) -> None:
        """The connection is over: nothing is written any more."""
        self._transport = None
        self._parts = self._replay = None

    def show(
        self, outgoing: Outgoing, retain: bool, identifiers: tuple[int, ...], now: float
    ) -> bool:
        """Send a message with QoS 0, or drop it when the client does not read."""
        if self._blocked and self._full():
            self._core.counters.messages_dropped += 1
            return False
        if self._aliases is None:
            packet = outgoing.unacknowledged(self.five, retain, identifiers, now)
        else:
            packet = self._aliased(outgoing, 0x30 | retain, b"", identifiers, now)
        return self._publish(packet)

    def offer(self, delivery: Delivery) -> None:
        """Send a message with QoS 1 or 2 when its turn comes."""
        enqueue(self._core, self._session, delivery)
        self.pump()

    def address(
        self, message: Message, qos: int, delivered: Done, refused: Told | None
    ) -> Sent | None:
        """Send a message to this client alone, now or when the window opens; None where there is no
        room.
        """
        now = self._core.clock()
        outgoing = Outgoing.of(message, now)
        if not qos:
            return "unacknowledged" if self.show(outgoing, False, (), now) else None
        exchange = exchange_of(self._core, self._session)
        if exchange.queue.full:
            return None
        self.offer(Delivery(outgoing, qos, passing=True, delivered=delivered, refused=refused))
        return "acknowledged"

    def replay(self, steps: Iterator[None]) -> None:
        """Send retained messages, one a step, as fast as the client takes them and no faster."""
        self._replay = steps if self._replay is None else chain(self._replay, steps)
        self._step()

    def _step(self) -> None:
        """Go on with the retained messages while the client reads and its window is open."""
        replay = self._replay
        if replay is None or self._transport is None:
            return
        self._replay = None  # a step comes back here through `pump`
        gathered = 0
        while not self._full() and not self._waiting() and gathered < _AT_ONCE:
            if next(replay, _END) is _END:
                return
            gathered += 1
        self._replay = replay
        if gathered == _AT_ONCE:  # what is gathered counts as written only after a flush
            asyncio.get_running_loop().call_soon(self.resume)

    def resume(self) -> None:
        """Go on sending."""
        self.pump()
        self._core.flush()

    def _waiting(self) -> bool:
        exchange = self._session.exchange
        return exchange is not None and bool(exchange.queue)

    def pump(self) -> None:
        """Send deliveries that wait while the client reads and its window is open."""
        self._drain()
        if self._replay is not None:
            self._step()

    def _drain(self) -> None:
        exchange = self._session.exchange
        if exchange is None or not exchange.queue or (self._blocked and self._full()):
            return
        now = self._core.clock()
        while (delivery := exchange.advance()) is not None:
            expires = delivery.outgoing.expires
            if expires is not None and expires <= now and not delivery.dup:
                self._core.counters.messages_expired += 1
                self._forget(exchange, delivery)
            else:
                self._send(exchange, delivery, now)

    def _send(self, exchange: Exchange, delivery: Delivery, now: float) -> None:
        first = 0x30 | delivery.dup << 3 | delivery.qos << 1 | delivery.retain
        packet_id = delivery.packet_id.to_bytes(2, "big")
        if self._aliases is None:
            packet = delivery.outgoing.packet(
                self.five, first, packet_id, delivery.identifiers, now
            )
        else:
            packet = self._aliased(delivery.outgoing, first, packet_id, delivery.identifiers, now)
        # [MQTT-3.1.2-25] too large for this client: as if it had been sent and acknowledged
        if not self._publish(packet):
            self._forget(exchange, delivery)
            if delivery.refused is not None:
                delivery.refused(f"{len(packet)} bytes are more than the device takes")

    def _forget(self, exchange: Exchange, delivery: Delivery) -> None:
        del exchange.flight[delivery.packet_id]
        settle(self._core, self._session, delivery)

    def repeat(self) -> None:
        """Begin again where the last connection of this session ended [MQTT-4.4.0-1]."""
        exchange = self._session.exchange
        if exchange is None:
            return
        exchange.window = self.window
        for delivery in exchange.resume():
            self.put(b"\x62\x02" + delivery.packet_id.to_bytes(2, "big"))
        self.pump()

    def block(self) -> None:
        """The transport's buffer is filling up."""
        self._blocked = True

    def unblock(self) -> None:
        """The client has read."""
        self._blocked = False
        self.resume()

    def _full(self) -> bool:
        return (
            self._transport is None
            or self._transport.get_write_buffer_size() > self._core.limits.write_buffer
        )

    def _publish(self, packet: bytes) -> bool:
        counters = self._core.counters
        if len(packet) > self.largest:
            counters.messages_dropped += 1
            return False
        counters.messages_sent += 1
        self.put(packet)
        return True

    def _aliased(
        self,
        outgoing: Outgoing,
        first: int,
        packet_id: bytes,
        identifiers: tuple[int, ...],
        now: float,
    ) -> bytes:
        """Return the PUBLISH with a topic alias, while the client has numbers left (3.3.2.3.4)."""
        aliases = {} if self._aliases is None else self._aliases
        alias = aliases.get(outgoing.topic, 0)
        if alias:
            return outgoing.packet(
                self.five, first, packet_id, identifiers, now, alias, named=False
            )
        alias = len(aliases) + 1 if len(aliases) < self._most_aliases else 0
        packet = outgoing.packet(self.five, first, packet_id, identifiers, now, alias)
        if alias and len(packet) > self.largest:  # [MQTT-3.1.2-25] it may fit without
            return outgoing.packet(self.five, first, packet_id, identifiers, now)
        if alias:
            aliases[outgoing.topic] = alias
        return packet


def enqueue(core: Core, session: Session, delivery: Delivery) -> None:
    """Let a delivery wait in its session; the oldest goes if there is no room."""
    exchange = exchange_of(core, session)
    for dropped in exchange.offer(delivery):
        core.counters.messages_dropped += 1
        settle(core, session, dropped)


def record(core: Core, session: Session, delivery: Delivery) -> None:
    """Give a delivery its place in the session and the journal, before it is offered."""
    delivery.stored = True
    exchange_of(core, session).place(delivery)
    # For a start after a crash: with a connection, it may have been sent.
    delivery.step = Step.SENT if session.connection is not None else Step.WAITING
    core.journal.write(core.store.queued(session.number, delivery))
    delivery.step = Step.WAITING


def settle(core: Core, session: Session, delivery: Delivery) -> None:
    """A delivery is over: acknowledged, dropped or expired."""
    if delivery.stored:
        core.journal.write(core.store.settled(session.number, delivery.position))


def exchange_of(core: Core, session: Session) -> Exchange:
    """Return the exchange of a session, made when it is first needed."""
    if session.exchange is None:
        window = session.outlet.window if session.outlet is not None else core.limits.in_flight
        session.exchange = Exchange(Backlog(core.limits.queue, core.limits.queue_bytes), window)
    return session.exchange
