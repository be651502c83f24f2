"""What is sent to one session: bounded, and QoS 1 kept until its PUBACK, over a lost connection
too.

It stands in for amqtt's delivery, which uses the wrong QoS, has no bound, and forgets what is in
flight.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from gateway.broker.amqtt.packets import publish_packet

if TYPE_CHECKING:
    from collections import Counter

    from gateway.broker.amqtt.streams import PacketWriter
    from gateway.broker.port import Done, Message, Sent

_IDS = 0xFFFF


class _Owed(NamedTuple):
    message: Message
    retain: bool
    delivered: Done | None  # set for `Connection.send`, whose caller keeps the message itself


class Outbox:
    """One session's outgoing messages.

    At most `window` messages are in flight and `limit` wait behind them; what comes on top is
    dropped, and counted in `statistics`. While no writer is attached QoS 1 waits and QoS 0 is
    dropped, as MQTT allows.
    """

    def __init__(self, window: int, limit: int, statistics: Counter[str]) -> None:
        self._window = window
        self._limit = limit
        self._statistics = statistics
        self._writer: PacketWriter | None = None
        self._in_flight: dict[int, _Owed] = {}
        self._waiting: deque[_Owed] = deque()
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._waiting)

    def attach(self, writer: PacketWriter) -> None:
        """Send again what is in flight, in its order, then what waits [MQTT-4.4.0-1]."""
        self._writer = writer
        for packet_id, owed in self._in_flight.items():
            self._write(owed, packet_id, dup=True)
        self._fill()

    def detach(self) -> None:
        """Keep what is owed for the next connection, but for what its sender keeps."""
        self._writer = None
        self._in_flight = {
            number: owed for number, owed in self._in_flight.items() if owed.delivered is None
        }

    def put(self, message: Message, qos: int, *, retain: bool = False) -> None:
        """Send the message at this QoS, now or when there is room."""
        if qos == 0:
            self._put_qos_0(message, retain)
        elif len(self._waiting) < self._limit:
            self._waiting.append(_Owed(message, retain, None))
            self._fill()
        else:
            self._statistics["messages_dropped"] += 1

    def send(self, message: Message, qos: int, delivered: Done) -> Sent | None:
        """Send now or not at all; `delivered` runs at the PUBACK."""
        if (
            self._writer is None
            or self._writer.full
            or len(self._in_flight) >= self._window + self._limit
        ):
            return None
        owed = _Owed(message, False, delivered)
        self._write(owed, self._next_id(owed) if qos else None)
        return "acknowledged" if qos else "unacknowledged"

    def acknowledge(self, packet_id: int) -> None:
        """Take a PUBACK; one for nothing in flight is a late one, and ignored."""
        owed = self._in_flight.pop(packet_id, None)
        if owed is None:
            return
        if owed.delivered is not None:
            owed.delivered()
        self._fill()

    def _put_qos_0(self, message: Message, retain: bool) -> None:
        if self._writer is not None and not self._writer.full:
            self._write(_Owed(message, retain, None), None)
        else:
            self._statistics["messages_dropped"] += 1

    def _fill(self) -> None:
        while self._writer is not None and self._waiting and len(self._in_flight) < self._window:
            owed = self._waiting.popleft()
            self._write(owed, self._next_id(owed))

    def _next_id(self, owed: _Owed) -> int:
        self._last_id = self._last_id % _IDS + 1
        while self._last_id in self._in_flight:
            self._last_id = self._last_id % _IDS + 1
        self._in_flight[self._last_id] = owed
        return self._last_id

    def _write(self, owed: _Owed, packet_id: int | None, *, dup: bool = False) -> None:
        if self._writer is None:
            return
        message, qos = owed.message, 0 if packet_id is None else 1
        packet = publish_packet(
            message.topic, message.payload, packet_id, qos=qos, retain=owed.retain, dup=dup
        )
        self._writer.write(packet)
        self._statistics["messages_sent"] += 1
