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
from gateway.broker.embedded.core.facts import Subscribed, Unretained, Unsubscribed
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.embedded.core.tree import MAX_LEVELS, tree_size
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.broker.embedded.core.durable import Retained
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.peer import Peer
    from gateway.broker.embedded.core.pending import Pending
    from gateway.broker.embedded.core.router import Router
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared


class Subscribing:
    """What clients subscribe to, and what they may not have any more."""

    __slots__ = ("_router", "_shared")

    def __init__(self, shared: Shared, router: Router) -> None:
        self._shared = shared
        self._router = router

    def subscribe(self, peer: Peer, packet: Subscribe, pending: Pending) -> None:
        """Add the subscriptions now; answer, and send what is retained, when they are stored."""
        _check_answer(peer, Suback(packet.packet_id, (0,) * len(packet.subscriptions)))
        identifiers = packet.properties.subscription_identifier
        codes: list[int] = []
        added: list[tuple[Held, bool]] = []
        size = sum(map(tree_size, peer.session.subscriptions or ()))
        for asked in packet.subscriptions:
            held = _held(asked, identifiers[0] if identifiers else 0)
            code = self._refusal(peer.session, held, size)
            if code is None:
                fresh = self._add(peer.session, held)
                size += tree_size(held.text) if fresh else 0
                added.append((held, fresh))
                code = held.qos
            codes.append(code)
        pending.answers.append(encode(Suback(packet.packet_id, tuple(codes)), peer.version))
        peer.unannounced |= {held.text for held, fresh in added if fresh}
        pending.in_order = True  # [MQTT-3.3.1-9] what is retained by now, though not stored yet
        pending.then.append(lambda: self._announce(peer, added))

    def _refusal(self, session: Session, held: Held, size: int) -> int | None:
        """Return why the session, with subscriptions of this size, may not have one more, or
        None.
        """
        if held.topic_filter.count("/") >= MAX_LEVELS:
            return ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
        if not self._shared.gate.subscribing(session.identity, held.topic_filter):
            return ReasonCode.NOT_AUTHORIZED
        if held.text in (session.subscriptions or {}):
            return None
        more, limits = tree_size(held.text), self._shared.limits
        most, bytes_ = limits.subscriptions, limits.subscription_size
        if len(session.subscriptions or ()) >= most or size + more > bytes_:
            room = self._shared.gate.room(session.identity).subscriptions
            most, bytes_ = max(most, room), bytes_ * max(room // most, 1)
        fits = (
            len(session.subscriptions or ()) < most
            and size + more <= bytes_
            and self._shared.filters.fits(session.payer, more)
        )
        return None if fits else ReasonCode.QUOTA_EXCEEDED

    def _add(self, session: Session, held: Held) -> bool:
        """Add a subscription, and tell whether it is a new one."""
        before = session.hold(held)
        self._router.subscribe(session, held)
        if session.number:
            self._shared.journal.write(Subscribed(session.number, held))
        return before is None

    def _announce(self, peer: Peer, added: list[tuple[Held, bool]]) -> None:
        peer.unannounced -= {held.text for held, _ in added}
        for held, fresh in added:
            if not peer.open:
                return
            # 3.8.3.1: retain handling; a shared subscription gets none (4.8.2)
            handling = held.retain_handling
            if held.group is None and (handling == 0 or (handling == 1 and fresh)):
                self._send_retained(peer.session, held)
            self._shared.gate.subscribed(peer.origin, held.topic_filter)

    # Retained messages.

    def _send_retained(self, session: Session, held: Held) -> None:
        """Send what is retained for a new subscription [MQTT-3.3.1-9]."""
        fresh: list[Retained] = []
        now = self._shared.clock()
        for message in self._router.retained_for(session, held):
            if message.expires is not None and message.expires <= now:
                self._router.unretain(message.topic)
                self._shared.journal.write(Unretained(message.topic))
            else:
                fresh.append(message)
        if fresh and session.outlet is not None:
            session.replay(self._replay(session, session.outlet, held, fresh))

    def _replay(
        self, session: Session, outlet: Outlet, held: Held, messages: list[Retained]
    ) -> Iterator[None]:
        """Send one retained message a step."""
        identifiers = (held.identifier,) if held.identifier else ()
        for message in messages:
            if self._router.retained_on(message.topic) is not message:
                continue  # a newer one has been sent meanwhile
            outgoing = Outgoing(
                message.topic.encode(), message.payload, message.properties, message.expires
            )
            qos = min(held.qos, message.qos)
            if not qos:
                outlet.send_unacknowledged(outgoing, True, identifiers, self._shared.clock())
            else:
                delivery = Delivery(outgoing, qos, retain=True, identifiers=identifiers)
                if session.number:
                    session.record(delivery)
                session.send(delivery)
            yield

    # The way back.

    def unsubscribe(self, peer: Peer, packet: Unsubscribe, pending: Pending) -> None:
        """Remove the subscriptions now; answer when that is stored [MQTT-3.10.4-1]."""
        codes: list[int] = []
        _check_answer(peer, Unsuback(packet.packet_id, (0,) * len(packet.topic_filters)))
        for text in packet.topic_filters:
            held = self._drop(peer.session, text)
            codes.append(ReasonCode.NO_SUBSCRIPTION_EXISTED if held is None else ReasonCode.SUCCESS)
        pending.answers.append(encode(Unsuback(packet.packet_id, tuple(codes)), peer.version))

    def _drop(self, session: Session, text: str) -> Held | None:
        """Remove a subscription and return it."""
        held = session.drop(text)
        if held is not None:
            self._router.unsubscribe(session, held)
            if session.number:
                self._shared.journal.write(Unsubscribed(session.number, text))
        return held

    # Permissions.

    def drop_refused(self, session: Session) -> None:
        """Take from a session what its client may not have any more: subscriptions, and messages
        that wait for it.

        For a session without a connection the router asks at each message, and this is called when
        its client is back.
        """
        gate, identity = self._shared.gate, session.identity
        for held in list((session.subscriptions or {}).values()):
            if not gate.subscribing(identity, held.topic_filter):
                self._drop(session, held.text)
        exact = {held.topic_filter for held in (session.subscriptions or {}).values()}
        session.withdraw(lambda topic: topic not in exact and not gate.receiving(identity, topic))


def _check_answer(peer: Peer, answer: Suback | Unsuback) -> None:
    """Refuse a request whose answer would be longer than the client takes, before anything changes
    [MQTT-3.1.2-24].
    """
    if len(encode(answer, peer.version)) > peer.outlet.largest:
        raise ProtocolError(
            "the answer is longer than the client takes", ReasonCode.PACKET_TOO_LARGE
        )


def _held(asked: Subscription, identifier: int) -> Held:
    group, topic_filter = None, asked.topic_filter
    # Before MQTT 5, as other brokers do.
    if topic_filter.startswith("$share/") and topic_filter.count("/") > 1:
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
