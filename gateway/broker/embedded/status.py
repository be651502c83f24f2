"""`$SYS/broker/...`: the broker's counters as retained messages, for those permitted to subscribe
to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.core.durable import Retained
from gateway.broker.embedded.core.wheel import TICKS
from gateway.broker.port import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.core.shared import Core

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

    __slots__ = ("_core", "_last", "_next", "_publish", "_start", "_statistics")

    def __init__(
        self,
        core: Core,
        publish: Callable[[Message], None],
        statistics: Callable[[], dict[str, int]],
    ) -> None:
        self._core = core
        self._publish = publish
        self._statistics = statistics
        self._start = core.wheel.now
        self._next = core.wheel.now
        self._last: dict[str, str] = {}

    def turn(self) -> None:
        """Publish, if it is time."""
        now = self._core.wheel.now
        if now < self._next:
            return
        self._next = now + _EVERY
        counts = self._statistics()
        values = {name: str(counts[key]) for name, key in _TOPICS.items()}
        values["uptime"] = f"{(now - self._start) // TICKS} seconds"
        for name, value in values.items():
            if self._last.get(name) != value:
                self._show(f"$SYS/broker/{name}", value.encode())
        self._last = values

    def _show(self, topic: str, payload: bytes) -> None:
        """Publish one value; it is retained in memory alone, as it says nothing after a restart."""
        self._core.router.retain(Retained(topic, payload, 0))
        self._publish(Message(topic, payload))
