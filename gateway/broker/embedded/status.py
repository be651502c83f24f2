"""`$SYS/broker/...`: the broker's counters as retained messages, for those permitted to subscribe
to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.core.durable import Retained
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message

if TYPE_CHECKING:
    from gateway.broker.embedded.core.broker import Broker

_EVERY: Final = 10 * TICKS
_TOPICS: Final = {
    "clients/connected": "connections",
    "clients/total": "sessions",
    "subscriptions/count": "subscriptions",
    "retained messages/count": "retained",
    "messages/received": "messages_received",
    "messages/sent": "messages_sent",
    "publish/messages/dropped": "messages_dropped",
    "publish/messages/expired": "messages_expired",
    "publish/messages/refused": "messages_refused",
    "bytes/received": "bytes_received",
    "bytes/sent": "bytes_sent",
}


class Status:
    """Publishes the counters that have changed, every ten seconds."""

    __slots__ = ("_broker", "_last", "_next", "_start")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._start = self._next = broker.wheel.now
        self._last: dict[str, str] = {}

    def turn(self) -> None:
        """Publish, if it is time."""
        now = self._broker.wheel.now
        if now < self._next:
            return
        self._next = now + _EVERY
        counts = self._broker.statistics()
        values = {name: str(counts[key]) for name, key in _TOPICS.items()}
        values["uptime"] = f"{(now - self._start) // TICKS} seconds"
        for name, value in values.items():
            if self._last.get(name) != value:
                self._show(f"$SYS/broker/{name}", value.encode())
        self._last = values

    def _show(self, topic: str, payload: bytes) -> None:
        """Publish one value; it is retained in memory alone, as it says nothing after a restart."""
        self._broker.router.retain(Retained(topic, payload, 0))
        self._broker.publish(Message(topic, payload))
