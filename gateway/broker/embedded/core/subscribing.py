"""SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11): what is asked of the gate, stored, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from gateway.broker.embedded.codec.reasons import ReasonCode
from gateway.broker.embedded.core.durable import Delivery, Held
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.embedded.core.outlet import record, settle
from gateway.broker.embedded.core.tree import MAX_LEVELS
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.durable import Retained
    from gateway.broker.embedded.core.limits import Limits
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.pending import Batch
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core


def subscribe(core: Core, connection: Connection, packet: Subscribe, batch: Batch) -> None:
    """Add the subscriptions now; answer, and send what is retained, when they are stored."""
    session = connection.session
    _check_answer(connection, Suback(packet.packet_id, (0,) * len(packet.subscriptions)))
    identifiers = packet.properties.subscription_identifier
    codes: list[int] = []
    added: list[tuple[Held, bool]] = []
    for asked in packet.subscriptions:
        held = _held(asked, identifiers[0] if identifiers else 0)
        code = _refusal(core, session, held)
        if code is None:
            fresh = _add(core, session, held)
            added.append((held, fresh))
            code = held.qos
        codes.append(code)
    batch.answers.append(encode(Suback(packet.packet_id, tuple(codes)), connection.version))
    connection.unannounced |= {held.text for held, fresh in added if fresh}
    batch.in_order = True  # [MQTT-3.3.1-9] what is retained by now, though it is not stored yet
    batch.then.append(lambda: _announce(core, connection, added))


def _check_answer(connection: Connection, answer: Suback | Unsuback) -> None:
    """Refuse a request whose answer would be longer than the client takes, before anything changes
    [MQTT-3.1.2-24].
    """
    if len(encode(answer, connection.version)) > connection.outlet.largest:
        raise ProtocolError(
            "the answer is longer than the client takes", ReasonCode.PACKET_TOO_LARGE
        )


def _held(asked: Subscription, identifier: int) -> Held:
    group, topic_filter = None, asked.topic_filter
    if (
        topic_filter.startswith("$share/") and topic_filter.count("/") > 1
    ):  # before MQTT 5, as other brokers do
        _, group, topic_filter = topic_filter.split("/", 2)
    return Held(
        asked.topic_filter,
        topic_filter,
        group,
        asked.qos,
        asked.no_local,
        asked.retain_as_published,
        asked.retain_handling,
        identifier,
    )


def _refusal(core: Core, session: Session, held: Held) -> int | None:
    """Return why the session may not have this subscription, or None."""
    if held.topic_filter.count("/") >= MAX_LEVELS:
        return ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
    if not core.gate.subscribing(session.identity, held.topic_filter):
        return ReasonCode.NOT_AUTHORIZED
    return (
        None
        if _fits(core.limits, session.subscriptions or {}, held.text)
        else ReasonCode.QUOTA_EXCEEDED
    )


def _fits(limits: Limits, subscriptions: dict[str, Held], text: str) -> bool:
    if text in subscriptions:
        return True
    size = sum(map(len, subscriptions)) + len(text)
    return len(subscriptions) < limits.subscriptions and size <= limits.subscription_size


def _add(core: Core, session: Session, held: Held) -> bool:
    """Add a subscription, and tell whether it is a new one."""
    before = session.hold(held)
    core.router.subscribe(session, held)
    if session.number:
        core.journal.write(core.store.subscribed(session.number, held))
    return before is None


def _announce(core: Core, connection: Connection, added: list[tuple[Held, bool]]) -> None:
    connection.unannounced -= {held.text for held, _ in added}
    for held, fresh in added:
        if not connection.open:
            return
        # 3.8.3.1: retain handling; a shared subscription gets none (4.8.2)
        if held.group is None and (
            held.retain_handling == 0 or (held.retain_handling == 1 and fresh)
        ):
            _send_retained(core, connection.session, held)
        core.gate.subscribed(connection, held.topic_filter)


def _send_retained(core: Core, session: Session, held: Held) -> None:
    """Send what is retained for a new subscription [MQTT-3.3.1-9]."""
    fresh: list[Retained] = []
    now = core.clock()
    for message in core.router.retained_for(session, held):
        if message.expires is not None and message.expires <= now:
            core.router.unretain(message.topic)
            core.journal.write(core.store.unretained(message.topic))
        else:
            fresh.append(message)
    if fresh and session.outlet is not None:
        session.outlet.replay(_replay(core, session, session.outlet, held, fresh))


def _replay(
    core: Core, session: Session, outlet: Outlet, held: Held, messages: list[Retained]
) -> Iterator[None]:
    """Send one retained message a step."""
    identifiers = (held.identifier,) if held.identifier else ()
    for message in messages:
        if (
            core.router.retained_on(message.topic) is not message
        ):  # a newer one has been sent meanwhile
            continue
        outgoing = Outgoing(
            message.topic.encode(), message.payload, message.properties, message.expires
        )
        qos = min(held.qos, message.qos)
        if not qos:
            outlet.show(outgoing, True, identifiers, core.clock())
        else:
            delivery = Delivery(outgoing, qos, retain=True, identifiers=identifiers)
            if session.number:
                record(core, session, delivery)
            outlet.offer(delivery)
        yield


def unsubscribe(core: Core, connection: Connection, packet: Unsubscribe, batch: Batch) -> None:
    """Remove the subscriptions now; answer when that is stored [MQTT-3.10.4-1]."""
    codes: list[int] = []
    _check_answer(connection, Unsuback(packet.packet_id, (0,) * len(packet.topic_filters)))
    for text in packet.topic_filters:
        held = _drop(core, connection.session, text)
        codes.append(ReasonCode.NO_SUBSCRIPTION_EXISTED if held is None else ReasonCode.SUCCESS)
    batch.answers.append(encode(Unsuback(packet.packet_id, tuple(codes)), connection.version))


def _drop(core: Core, session: Session, text: str) -> Held | None:
    """Remove a subscription and return it."""
    held = session.drop(text)
    if held is not None:
        core.router.unsubscribe(session, held)
        if session.number:
            core.journal.write(core.store.unsubscribed(session.number, text))
    return held


def drop_refused(core: Core, session: Session) -> None:
    """Remove the subscriptions that a connected session may not have any more."""
    for held in list((session.subscriptions or {}).values()):
        if not core.gate.subscribing(session.identity, held.topic_filter):
            _drop(core, session, held.text)


def check_resumed(core: Core, session: Session) -> None:
    """Take from a session what its client may no longer have, now that it is known who signed in.

    Nothing is asked of the gate for a session without a connection: after a restart only the key of
    its identity is known, and what its client has signed in with may have been replaced meanwhile.
    """
    core.router.generation += 1
    drop_refused(core, session)
    if session.exchange is None:
        return
    exact = {held.topic_filter for held in (session.subscriptions or {}).values()}
    for delivery in session.exchange.waiting():
        topic = delivery.outgoing.topic.decode()
        if topic not in exact and not core.gate.receiving(session.identity, topic):
            session.exchange.withdraw(delivery)
            settle(core, session, delivery)
