"""The bytes for one client: gathered here and written once a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.broker.embedded.core.durable import Delivery
    from gateway.broker.embedded.core.outgoing import Outgoing
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.embedded.core.wire import Sink


class Outlet:
    """One client's packets.

    `mqtt5`: it speaks MQTT 5.
    `largest`: the longest packet that it takes.
    `window`: its receive maximum, within our own.
    `aliases`: how many topics it lets be replaced by an alias.
    `blocked`: the client reads slower than it is sent to.
    `unanswered`: how many of its own messages with QoS 1 are not stored yet.
    """

    __slots__ = (
        "_aliases", "_most_aliases", "_parts", "_shared", "_sink", "blocked", "largest", "mqtt5",
        "unanswered",
        "window",
    )  # fmt: skip

    def __init__(
        self, shared: Shared, sink: Sink, *, mqtt5: bool, largest: int, window: int, aliases: int
    ) -> None:
        self._shared = shared
        self._sink: Sink | None = sink
        self._parts: list[bytes] | None = None
        self.blocked = False
        self._aliases: dict[bytes, int] | None = {} if aliases else None
        self._most_aliases = aliases
        self.mqtt5 = mqtt5
        self.largest = largest
        self.window = window
        self.unanswered = 0

    def put(self, packet: bytes) -> None:
        """Add packets to the next write."""
        if self._parts is not None:
            self._parts.append(packet)
        elif self._sink is not None:
            self._parts = [packet]
            self._shared.dirty.append(self)

    def flush(self) -> None:
        """Write what was gathered."""
        parts, self._parts = self._parts, None
        if parts and self._sink is not None:
            data = b"".join(parts)
            self._shared.counters.bytes_sent += len(data)
            self._sink.write(data)

    def end(self) -> None:
        """The connection is over: nothing is written any more."""
        self._sink = None
        self._parts = None

    @property
    def full(self) -> bool:
        """More is unread than the bound, or the connection is over."""
        return (
            self._sink is None
            or self._sink.get_write_buffer_size() > self._shared.limits.write_buffer
        )

    @property
    def stuck(self) -> bool:
        """The client does not read, and what it has not read is above the bound."""
        return self.blocked and self.full

    @property
    def choked(self) -> bool:
        """So much is unread that even answers are too many: the client is not to be read."""
        sink, most = self._sink, self._shared.limits.answer_buffer
        return self.blocked and sink is not None and sink.get_write_buffer_size() > most

    def send_unacknowledged(
        self, outgoing: Outgoing, retain: bool, identifiers: tuple[int, ...], now: float
    ) -> bool:
        """Send a message with QoS 0, or drop it when the client does not read."""
        if self.blocked and self.full:
            self._shared.counters.messages_dropped += 1
            return False
        if self._aliases is None:
            packet = outgoing.unacknowledged(self.mqtt5, retain, identifiers, now)
        else:
            packet = self._aliased(outgoing, 0x30 | retain, b"", identifiers, now)
        return self._publish(packet)

    def send(self, delivery: Delivery, now: float) -> bool:
        """Send a message with QoS 1 or 2; False where it is too large for the client."""
        first = 0x30 | delivery.dup << 3 | delivery.qos << 1 | delivery.retain
        packet_id = delivery.packet_id.to_bytes(2, "big")
        outgoing, identifiers = delivery.outgoing, delivery.identifiers
        if self._aliases is None:
            packet = outgoing.packet(self.mqtt5, first, packet_id, identifiers, now)
        else:
            packet = self._aliased(outgoing, first, packet_id, identifiers, now)
        return self._publish(packet)

    def _publish(self, packet: bytes) -> bool:
        counters = self._shared.counters
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
                self.mqtt5, first, packet_id, identifiers, now, alias, named=False
            )
        alias = len(aliases) + 1 if len(aliases) < self._most_aliases else 0
        packet = outgoing.packet(self.mqtt5, first, packet_id, identifiers, now, alias)
        if alias and len(packet) > self.largest:  # [MQTT-3.1.2-25] it may fit without
            return outgoing.packet(self.mqtt5, first, packet_id, identifiers, now)
        if alias:
            aliases[outgoing.topic] = alias
        return packet
