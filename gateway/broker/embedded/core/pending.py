"""What one read of a socket brought, on its way through the gate, and what is due when it is
stored.

A gate may store several batches of one sender at the same time, or one of them at once. Each waits
in `InOrder` for those before it, so that a client's messages are delivered and acknowledged in the
order in which it sent them [MQTT-4.6.0-6]. Batches of different senders never wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.core.durable import Delivery, Retained
from gateway.broker.embedded.core.facts import Kept, Unretained
from gateway.broker.embedded.core.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.codec.packets import Disconnect
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.router import Publication, Route, Router
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.port import Message


class InOrder(list["Pending"]):
    """The batches of one sender that are not stored yet; what comes later waits for them."""

    __slots__ = ()

    def run(self, stored: Pending) -> None:
        """Settle a batch whose turn it is, and those behind it that are stored already.

        What one of them raises is raised when all are settled: those behind it do not wait for
        ever.
        """
        error: BaseException | None = None
        following: Pending | None = stored
        while following is not None:
            try:
                following.settle()
            except BaseException as raised:  # raised again below
                error = error or raised
            following = self.next_after(following)
        if error is not None:
            raise error

    def next_after(self, settled: Pending) -> Pending | None:
        """Take out what is settled, if it had to wait here; return the next, if it is stored
        already.
        """
        if self and self[0] is settled:
            del self[0]
        return self[0] if self and self[0].ready else None


class Pending:
    """Messages for the gate, and what to do when they are stored.

    Then their copies are delivered, the sender gets its answers, and the rest is done.

    `messages`: for the gate.
    `answers`: packets for the sender.
    `then`: steps that follow.
    `open`: how many messages with QoS 1 the answers acknowledge.
    `in_order`: what others sent before it is stored first, even where this has nothing to store.
    `farewell`: a DISCONNECT, to be followed when all before it is handed on.
    `ready`: it is stored, and waits for those before it.
    """

    __slots__ = (
        "_coming", "_copies", "_deliveries", "_order", "_outlet", "_retained", "_router",
        "_settled", "_shared",
        "answers", "farewell", "in_order", "messages", "open", "ready", "then",
    )  # fmt: skip

    def __init__(
        self, shared: Shared, router: Router, order: InOrder, outlet: Outlet | None
    ) -> None:
        self._shared = shared
        self._router = router
        self._order = order
        self._outlet = outlet
        self._copies: list[tuple[Outgoing, int, bool, tuple[Route, ...]]] = []
        self._coming: list[tuple[dict[int, Delivery], int]] = []
        self._deliveries: list[tuple[Session, Delivery]] = []
        self._retained: list[Retained] = []
        self._settled = False
        self.ready = False
        self.messages: list[Message] = []
        self.answers: list[bytes] = []
        self.then: list[Callable[[], None]] = []
        self.open = 0
        self.in_order = False
        self.farewell: Disconnect | None = None

    # Before the gate.

    def route(self, publication: Publication, message: Message) -> None:
        """Prepare the copies of a message that has subscribers or will be retained."""
        sent = message.properties
        expires = None
        if sent is not None and sent.message_expiry is not None:
            expires = self._shared.clock() + sent.message_expiry
        outgoing = Outgoing(publication.raw, message.payload, sent, expires)
        routes = publication.chosen()
        if message.qos:
            for route in routes:
                if route.stored:
                    self._store(route, outgoing, message.qos, message.retain)
        self._copies.append((outgoing, message.qos, message.retain, routes))
        if message.retain:
            self._retain(message, expires)

    def pass_on(self, delivery: Delivery, route: Route) -> None:
        """Prepare the copy of a message that another member of the shared subscription no longer
        gets.
        """
        if route.stored:
            self._store(route, delivery.outgoing, delivery.qos, delivery.retain)
        self._copies.append((delivery.outgoing, delivery.qos, delivery.retain, (route,)))

    def _store(self, route: Route, outgoing: Outgoing, sent_qos: int, retain: bool) -> None:
        session = route.session
        if not session.number:
            return
        qos, retained = min(route.qos, sent_qos), retain and route.retain_as_published
        delivery = Delivery(outgoing, qos, retained, route.identifiers, route.share)
        session.record(delivery)
        self._deliveries.append((session, delivery))
        if route.share is not None:
            coming = session.open_exchange().coming
            coming[delivery.position] = delivery
            self._coming.append((coming, delivery.position))

    def _retain(self, message: Message, expires: float | None) -> None:
        shared, router, topic = self._shared, self._router, message.topic
        retained = Retained(topic, message.payload, message.qos, message.properties, expires)
        if message.payload and not router.may_retain(retained):
            shared.counters.messages_dropped += 1
            if router.retained_on(topic) is None:
                return
            retained = Retained(topic, b"", message.qos)  # rather none than one out of date
        self._retained.append(retained)
        shared.journal.write(Kept(retained) if retained.payload else Unretained(topic))

    def commit(self) -> None:
        """Hand everything to the gate; without anything to hand on, what is due is done in its
        turn.
        """
        journal = self._shared.journal.take()
        if self.messages or journal or self.in_order:
            self._shared.gate.receive(self.messages, self.stored, journal)
        else:
            self.stored()
        if not self._settled:
            self._order.append(self)

    # After the gate.

    def stored(self) -> None:
        """The batch is stored: do what is due when its turn has come."""
        order = self._order
        if order and order[0] is not self:
            self.ready = True
        else:
            order.run(self)

    def settle(self) -> None:
        """Do what is due; `InOrder` calls this in its turn."""
        self._settled = True
        if self._copies or self._deliveries:
            self._deliver()
        for retained in self._retained:
            self._router.retain(retained)
        if self.answers and self._outlet is not None:
            self._outlet.put(b"".join(self.answers))
            self._outlet.unanswered -= self.open
        for step in self.then:
            step()
        self._shared.flush()

    def _deliver(self) -> None:
        now = self._shared.clock()
        for coming, position in self._coming:
            coming.pop(position, None)
        for outgoing, sent_qos, retain, routes in self._copies:
            for route in routes:
                outlet, qos = route.session.outlet, sent_qos and min(sent_qos, route.qos)
                if not qos:
                    if outlet is not None:
                        shown = retain and route.retain_as_published
                        outlet.send_unacknowledged(outgoing, shown, route.identifiers, now)
                elif not route.stored:
                    self._send(route, outgoing, sent_qos, retain)
        for session, delivery in self._deliveries:
            if session.outlet is not None:
                session.send(delivery)
            elif session.number:
                session.enqueue(delivery)

    def _send(self, route: Route, outgoing: Outgoing, sent_qos: int, retain: bool) -> None:
        """Send a copy with QoS 1 or 2 that is not in the journal."""
        if route.session.outlet is not None:
            qos, shown = min(sent_qos, route.qos), retain and route.retain_as_published
            route.session.send(Delivery(outgoing, qos, shown, route.identifiers, route.share))
        elif route.share is not None:  # its session has ended meanwhile
            gone = Delivery(outgoing, sent_qos, retain, share=route.share)
            pass_on(self._shared, self._router, [gone], route.session.identity.owner)


def pass_on(shared: Shared, router: Router, owed: list[Delivery], owner: int | None) -> None:
    """Send what came through shared subscriptions of an owner to members that are there now, in
    order (4.8.2).

    Their queues are written in the transaction of what was written before, the end of the session
    that had it.
    """
    now = shared.clock()
    pending = Pending(shared, router, InOrder(), None)
    for delivery in owed:
        outgoing = delivery.outgoing
        if outgoing.expires is not None and outgoing.expires <= now:
            shared.counters.messages_expired += 1
            continue
        route = router.successor(str(delivery.share), outgoing.topic.decode(), owner)
        if route is not None:
            pending.pass_on(delivery, route)
    pending.commit()
