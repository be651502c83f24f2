"""The embedded broker's state in the database: its facts as statements, and what it starts from."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from gateway.broker import port
from gateway.broker.embedded.codec.packets import Will
from gateway.broker.embedded.core import facts
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
    from collections.abc import Iterator

    from gateway.store.facts import Fact
    from gateway.store.sqlite.statement import Statement, Translate

_encode = msgspec.json.encode
_properties = msgspec.json.Decoder(port.Properties).decode
_will = msgspec.json.Decoder(Will).decode
_identifiers = msgspec.json.Decoder(tuple[int, ...]).decode


def _opened(fact: facts.SessionOpened) -> Iterator[Statement]:
    will = None if fact.will is None else _encode(fact.will).decode()
    yield (
        "INSERT OR REPLACE INTO broker_sessions VALUES (?, ?, ?, ?, NULL, ?)",
        (fact.number, fact.key, fact.client_id, fact.expiry, will),
    )
    yield (
        "UPDATE broker_deliveries SET step = 1 WHERE session = ? AND step = 0",
        (fact.number,),
    )


def _left(fact: facts.SessionLeft) -> Iterator[Statement]:
    yield (
        "UPDATE broker_sessions SET expiry = ?, left_at = ? WHERE number = ?",
        (fact.expiry, fact.when, fact.number),
    )


def _ended(fact: facts.SessionEnded) -> Iterator[Statement]:
    yield "DELETE FROM broker_sessions WHERE number = ?", (fact.number,)
    yield "DELETE FROM broker_subscriptions WHERE session = ?", (fact.number,)
    yield "DELETE FROM broker_deliveries WHERE session = ?", (fact.number,)
    yield "DELETE FROM broker_received WHERE session = ?", (fact.number,)


def _subscribed(fact: facts.Subscribed) -> Iterator[Statement]:
    sql = "INSERT OR REPLACE INTO broker_subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    yield sql, (fact.number, *msgspec.structs.astuple(fact.held))


def _queued(fact: facts.Queued) -> Iterator[Statement]:
    """A message is stored once, however many sessions it waits for."""
    outgoing = fact.outgoing
    properties = _properties_text(outgoing.properties)
    message = _name(outgoing, properties)
    yield (
        "INSERT OR IGNORE INTO broker_messages VALUES (?, ?, ?, ?, ?)",
        (message, outgoing.topic.decode(), outgoing.payload, properties, outgoing.expires),
    )
    yield (
        "INSERT OR REPLACE INTO broker_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fact.number,
            fact.position,
            int(fact.step),
            fact.qos,
            fact.retain,
            _encode(fact.identifiers).decode(),
            fact.share,
            message,
        ),
    )


def _name(outgoing: Outgoing, properties: str | None) -> bytes:
    """Return the same for the same message, and for no other: only the payload may hold a NUL."""
    parts = (outgoing.topic, (properties or "").encode(), repr(outgoing.expires).encode())
    return blake2b(b"\0".join((*parts, outgoing.payload)), digest_size=16).digest()


def _kept(fact: facts.Kept) -> Iterator[Statement]:
    message = fact.message
    yield (
        "INSERT OR REPLACE INTO broker_retained VALUES (?, ?, ?, ?, ?)",
        (
            message.topic,
            message.payload,
            message.qos,
            _properties_text(message.properties),
            message.expires,
        ),
    )


def _plain(sql: str) -> Translate:
    """Return what runs one statement with the fields of a fact."""
    return lambda fact: ((sql, msgspec.structs.astuple(fact)),)


STATEMENTS: dict[type[Fact], Translate] = {
    facts.SessionOpened: _opened,
    facts.SessionLeft: _left,
    facts.SessionEnded: _ended,
    facts.WillDone: _plain("UPDATE broker_sessions SET will = NULL WHERE number = ?"),
    facts.Subscribed: _subscribed,
    facts.Unsubscribed: _plain("DELETE FROM broker_subscriptions WHERE session = ? AND text = ?"),
    facts.Queued: _queued,
    facts.Released: _plain(
        "UPDATE broker_deliveries SET step = 2 WHERE session = ? AND position = ?"
    ),
    facts.Settled: _plain("DELETE FROM broker_deliveries WHERE session = ? AND position = ?"),
    facts.Received: _plain("INSERT OR IGNORE INTO broker_received VALUES (?, ?)"),
    facts.Completed: _plain("DELETE FROM broker_received WHERE session = ? AND packet_id = ?"),
    facts.Kept: _kept,
    facts.Unretained: _plain("DELETE FROM broker_retained WHERE topic = ?"),
}


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
        "SELECT session, text, topic_filter, share, qos, no_local, retain_as_published, "
        "retain_handling, identifier "
        "FROM broker_subscriptions"
    ):
        held = Held(
            text, topic_filter, share, qos, bool(no_local), bool(as_published), handling, identifier
        )
        found[number].append(held)
    return found


def _deliveries(db: sqlite3.Connection) -> dict[int, list[Delivery]]:
    """Return what waits for each session; the same message is one object for all of them."""
    messages: dict[bytes, Outgoing] = {}
    found: dict[int, list[Delivery]] = defaultdict(list)
    for number, position, step, qos, retain, identifiers, share, message in db.execute(
        "SELECT session, position, step, qos, retain, identifiers, share, message "
        "FROM broker_deliveries WHERE message IN (SELECT id FROM broker_messages) "
        "ORDER BY session, position"
    ):
        outgoing = messages.get(message) or messages.setdefault(message, _message(db, message))
        found[number].append(
            Delivery(
                outgoing,
                qos,
                bool(retain),
                _identifiers(identifiers),
                share,
                position,
                True,
                Step(step),
            )
        )
    return found


def _message(db: sqlite3.Connection, message: bytes) -> Outgoing:
    sql = "SELECT topic, payload, properties, expires FROM broker_messages WHERE id = ?"
    topic, payload, properties, expires = db.execute(sql, (message,)).fetchone()
    return Outgoing(topic.encode(), payload, properties and _properties(properties), expires)


def _received(db: sqlite3.Connection) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for number, packet_id in db.execute("SELECT session, packet_id FROM broker_received"):
        found[number].append(packet_id)
    return found


def _properties_text(properties: port.Properties | None) -> str | None:
    return None if properties is None else _encode(properties).decode()
