"""The embedded broker's state in the database: its statements, and what it starts from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.broker import port
from gateway.broker.embedded.codec.packets import Will
from gateway.broker.embedded.core.durable import (
    Delivery,
    Held,
    Retained,
    State,
    Step,
    StoredSession,
)
from gateway.broker.embedded.core.outgoing import Outgoing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gateway.broker.port import Statement

_encode = msgspec.json.encode
_properties = msgspec.json.Decoder(port.Properties).decode
_will = msgspec.json.Decoder(Will).decode
_identifiers = msgspec.json.Decoder(tuple[int, ...]).decode


class BrokerState:
    """The statements that keep the broker's state; see `SessionStore`."""

    def opened(
        self, number: int, key: str, client_id: str, expiry: int, will: Will | None
    ) -> Sequence[Statement]:
        text = None if will is None else _encode(will).decode()
        return (
            (
                "INSERT OR REPLACE INTO broker_sessions VALUES (?, ?, ?, ?, NULL, ?)",
                (number, key, client_id, expiry, text),
            ),
            ("UPDATE broker_deliveries SET step = 1 WHERE session = ? AND step = 0", (number,)),
        )

    def left(self, number: int, expiry: int, when: float) -> Statement:
        return "UPDATE broker_sessions SET expiry = ?, left_at = ? WHERE number = ?", (
            expiry,
            when,
            number,
        )

    def will_done(self, number: int) -> Statement:
        return "UPDATE broker_sessions SET will = NULL WHERE number = ?", (number,)

    def ended(self, number: int) -> Sequence[Statement]:
        return (
            ("DELETE FROM broker_sessions WHERE number = ?", (number,)),
            ("DELETE FROM broker_subscriptions WHERE session = ?", (number,)),
            ("DELETE FROM broker_deliveries WHERE session = ?", (number,)),
            ("DELETE FROM broker_received WHERE session = ?", (number,)),
        )

    def subscribed(self, number: int, held: Held) -> Statement:
        sql = "INSERT OR REPLACE INTO broker_subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        return sql, (number, *msgspec.structs.astuple(held))

    def unsubscribed(self, number: int, text: str) -> Statement:
        return "DELETE FROM broker_subscriptions WHERE session = ? AND text = ?", (number, text)

    def queued(self, number: int, delivery: Delivery) -> Statement:
        outgoing = delivery.outgoing
        return (
            "INSERT OR REPLACE INTO broker_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                delivery.position,
                int(delivery.step),
                delivery.qos,
                delivery.retain,
                _encode(delivery.identifiers).decode(),
                outgoing.topic.decode(),
                outgoing.payload,
                _properties_text(outgoing.properties),
                outgoing.expires,
                delivery.share,
            ),
        )

    def released(self, number: int, position: int) -> Statement:
        return "UPDATE broker_deliveries SET step = 2 WHERE session = ? AND position = ?", (
            number,
            position,
        )

    def settled(self, number: int, position: int) -> Statement:
        return "DELETE FROM broker_deliveries WHERE session = ? AND position = ?", (
            number,
            position,
        )

    def received(self, number: int, packet_id: int) -> Statement:
        return "INSERT OR IGNORE INTO broker_received VALUES (?, ?)", (number, packet_id)

    def completed(self, number: int, packet_id: int) -> Statement:
        return "DELETE FROM broker_received WHERE session = ? AND packet_id = ?", (
            number,
            packet_id,
        )

    def retained(self, message: Retained) -> Statement:
        return "INSERT OR REPLACE INTO broker_retained VALUES (?, ?, ?, ?, ?)", (
            message.topic,
            message.payload,
            message.qos,
            _properties_text(message.properties),
            message.expires,
        )

    def unretained(self, topic: str) -> Statement:
        return "DELETE FROM broker_retained WHERE topic = ?", (topic,)


def load(db: sqlite3.Connection) -> State:
    """Return all that the broker starts from."""
    subscriptions, deliveries, received = _subscriptions(db), _deliveries(db), _received(db)
    sessions = [
        StoredSession(
            number,
            key,
            client_id,
            expiry,
            left,
            subscriptions[number],
            deliveries[number],
            received[number],
            will and _will(will),
        )
        for number, key, client_id, expiry, left, will in db.execute(
            "SELECT number, key, client_id, expiry, left_at, will FROM broker_sessions "
            "ORDER BY left_at IS NULL, left_at"
        )
    ]
    retained = [
        Retained(topic, payload, qos, properties and _properties(properties), expires)
        for topic, payload, qos, properties, expires in db.execute(
            "SELECT topic, payload, qos, properties, expires FROM broker_retained"
        )
    ]
    return State(sessions, retained)


def _subscriptions(db: sqlite3.Connection) -> dict[int, list[Held]]:
    found: dict[int, list[Held]] = defaultdict(list)
    for (
        number,
        text,
        topic_filter,
        share,
        qos,
        no_local,
        as_published,
        handling,
        identifier,
    ) in db.execute(
        "SELECT session, text, topic_filter, share, qos, no_local, retain_as_published, retain_handling, identifier "
        "FROM broker_subscriptions"
    ):
        held = Held(
            text, topic_filter, share, qos, bool(no_local), bool(as_published), handling, identifier
        )
        found[number].append(held)
    return found


def _deliveries(db: sqlite3.Connection) -> dict[int, list[Delivery]]:
    found: dict[int, list[Delivery]] = defaultdict(list)
    for number, *row in db.execute(
        "SELECT session, position, step, qos, retain, identifiers, topic, payload, properties, expires, share "
        "FROM broker_deliveries ORDER BY session, position"
    ):
        found[number].append(_delivery(*row))
    return found


def _delivery(
    position: int,
    step: int,
    qos: int,
    retain: int,
    identifiers: str,
    topic: str,
    payload: bytes,
    *rest: Any,
) -> Delivery:
    properties, expires, share = rest
    outgoing = Outgoing(topic.encode(), payload, properties and _properties(properties), expires)
    return Delivery(
        outgoing, qos, bool(retain), _identifiers(identifiers), share, position, True, Step(step)
    )


def _received(db: sqlite3.Connection) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for number, packet_id in db.execute("SELECT session, packet_id FROM broker_received"):
        found[number].append(packet_id)
    return found


def _properties_text(properties: port.Properties | None) -> str | None:
    return None if properties is None else _encode(properties).decode()
