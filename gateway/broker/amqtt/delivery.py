"""From the gate to MQTT subscribers: who is sent what, at which QoS, and what is retained."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from amqtt.broker import RetainedApplicationMessage

from gateway.broker.port import Message
from gateway.topics import covers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.amqtt.outbox import Outbox
    from gateway.broker.port import Done, Gate, Identity

_log = logging.getLogger(__name__)
_ROUTES = 10_000  # topics whose subscribers are remembered
STATE = "gateway.state"  # of amqtt's `Session.attributes`, which it keeps for extensions


class SessionState:
    """What the gateway adds to an amqtt session: whose it is, what it is owed, its filters, its QoS
    2 receipts.

    `received`: the packet ids of QoS 2 messages between PUBLISH and PUBREL, True once they are
    accepted.
    """

    def __init__(self, identity: Identity, outbox: Outbox) -> None:
        self.identity = identity
        self.outbox = outbox
        self.filters: set[str] = set()
        self.received: dict[int, bool] = {}


class Delivery:
    """Delivers to the subscriptions and keeps the retained messages that amqtt holds.

    `subscriptions` and `retained` are amqtt's own tables. At most `limit` topics have a retained
    message.
    """

    def __init__(
        self, gate: Gate, subscriptions: dict[str, Any], retained: dict[str, Any], limit: int
    ) -> None:
        self.gate = gate
        self.statistics: Counter[str] = Counter()
        self._subscriptions = subscriptions
        self._retained = retained
        self._limit = limit
        self._routes: dict[str, dict[str, tuple[Outbox, int]]] = {}

    def receive(self, messages: Sequence[Message], done: Done) -> bool:
        """Hand messages to the gate. False where it failed: they are then neither delivered nor
        acknowledged.
        """
        try:
            self.gate.receive(messages, done)
        except Exception:
            _log.exception(
                "%d messages were not taken, the first on %r", len(messages), messages[0].topic
            )
            self.statistics["messages_failed"] += len(messages)
            return False
        return True

    def deliver(self, message: Message) -> None:
        """Send a message to its subscribers, each at the smaller QoS (fault 5), and retain it if it
        asks for that.
        """
        if message.target is not None and not message.target.carried:
            return
        if message.retain:
            self._retain(message)
        for outbox, granted in self._audience(message.topic).values():
            outbox.put(message, min(message.qos, granted))

    def granted(self, session: str, topic: str) -> int | None:
        """Return the greatest QoS of the session's subscriptions that match the topic, None without
        one.
        """
        found = self._audience(topic).get(session)
        return found and found[1]

    def send_retained(self, topic_filter: str, granted: int, state: SessionState) -> None:
        """Send a new subscription the retained messages that it matches and its holder may see
        (fault 3).
        """
        for topic, kept in self._retained.items():
            if covers(topic_filter, topic) and self.gate.receiving(state.identity, topic):
                message = Message(topic, kept.data, kept.qos, True)
                state.outbox.put(message, min(kept.qos, granted), retain=True)

    def forget(self) -> None:
        """Drop what is remembered: a subscription, a session or a permission has changed."""
        self._routes.clear()

    def _audience(self, topic: str) -> dict[str, tuple[Outbox, int]]:
        """Return outbox and QoS of each session that is sent messages on this topic."""
        audience = self._routes.get(topic)
        if audience is None:
            audience = self._find_audience(topic)
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            self._routes[topic] = audience
        return audience

    def _find_audience(self, topic: str) -> dict[str, tuple[Outbox, int]]:
        audience: dict[str, tuple[Outbox, int]] = {}
        for text, subscriptions in self._subscriptions.items():
            if not covers(text, topic):
                continue
            for session, qos in subscriptions:
                state: SessionState = session.attributes[STATE]
                if self.gate.receiving(state.identity, topic):
                    _, granted = audience.get(session.client_id, (None, 0))
                    audience[session.client_id] = (state.outbox, max(qos, granted))
        return audience

    def _retain(self, message: Message) -> None:
        if not message.payload:
            self._retained.pop(message.topic, None)  # [MQTT-3.3.1-10]
        elif message.topic in self._retained or len(self._retained) < self._limit:
            kept = RetainedApplicationMessage(None, message.topic, message.payload, message.qos)
            self._retained[message.topic] = kept
        else:
            self.statistics["retained_dropped"] += 1
