"""What one read of a socket brought, on its way through the gate, and what is due when it is
stored.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.broker.embedded.core.durable import Delivery, Retained
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.embedded.core.outlet import enqueue, exchange_of, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.codec.packets import Disconnect
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.router import Publication, Route
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core
    from gateway.broker.port import Message


class Line(list["Batch"]):
    """The batches of one sender that are not stored yet, in order; what comes later waits for them
    [MQTT-4.6.0-6].
    """

    __slots__ = ()

    def step(self, finished: Batch) -> Batch | None:
        """Take out what has finished, if it had to wait here; return the next, if it is stored
        already.
        """
        if self and self[0] is finished:
            del self[0]
        return self[0] if self and self[0].ready else None


class Batch:
    """Messages for the gate, and what to do when they are stored: deliver, acknowledge, then the
    rest.

    It is the `done` that the gate calls. `messages` are for the gate, `answers` the packets for the
    sender, `then` the steps that follow. `open` counts the messages with QoS 1 that it
    acknowledges, `farewell` is a DISCONNECT to be followed when it is handed on. `in_order`: what
    others sent before it is stored first, even where this has nothing to store.
    """

    __slots__ = (
        "_coming", "_copies", "_core", "_deliveries", "_finished", "_line", "_outlet", "_retained", "answers",
        "farewell", "in_order", "messages", "open", "ready", "then",
    )  # fmt: skip

    def __init__(self, core: Core, line: Line, outlet: Outlet | None) -> None:
        self._core = core
        self._line = line
        self._outlet = outlet
        self._copies: list[tuple[Outgoing, int, bool, tuple[Route, ...]]] = []
        self._coming: list[tuple[dict[int, Delivery], int]] = []
        self._deliveries: list[tuple[Session, Delivery]] = []
        self._retained: list[Retained] = []
        self._finished = False
        self.ready = False
        self.messages: list[Message] = []
        self.answers: list[bytes] = []
        self.then: list[Callable[[], None]] = []
        self.open = 0
        self.in_order = False
        self.farewell: Disconnect | None = None

    def route(self, publication: Publication, message: Message) -> None:
        """Prepare the copies of a message that has subscribers or is to be retained."""
        sent = message.properties
        expires = None
        if sent is not None and sent.message_expiry is not None:
            expires = self._core.clock() + sent.message_expiry
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
        delivery = Delivery(
            outgoing,
            min(route.qos, sent_qos),
            retain and route.retain_as_published,
            route.identifiers,
            route.share,
        )
        record(self._core, session, delivery)
        self._deliveries.append((session, delivery))
        if route.share is not None:
            coming = exchange_of(self._core, session).coming
            coming[delivery.position] = delivery
            self._coming.append((coming, delivery.position))

    def _retain(self, message: Message, expires: float | None) -> None:
        core = self._core
        retained = Retained(
            message.topic, message.payload, message.qos, message.properties, expires
        )
        if message.payload and not core.router.may_retain(retained, core.limits):
            core.counters.messages_dropped += 1
            if core.router.retained_on(message.topic) is None:
                return
            retained = Retained(
                message.topic, b"", message.qos
            )  # rather none than one that is out of date
        self._retained.append(retained)
        store = core.store
        core.journal.write(
            store.retained(retained) if retained.payload else store.unretained(message.topic)
        )

    def commit(self) -> None:
        """Hand everything to the gate; without anything to hand on, what is due is done in its
        turn.
        """
        journal = self._core.journal.take()
        if self.messages or journal or self.in_order:
            self._core.gate.receive(self.messages, self, journal)
        else:
            self()
        if not self._finished:
            self._line.append(self)

    def __call__(self) -> None:
        """The batch is stored."""
        line = self._line
        if line and line[0] is not self:
            self.ready = True
            return
        batch: Batch = self
        following: Batch | None = self
        try:
            while following is not None:
                batch = following
                batch.finish()
                following = line.step(batch)
        except BaseException:  # whatever went wrong in the gate, the line moves on
            behind = line.step(batch)
            if behind is not None:
                asyncio.get_running_loop().call_soon(behind)
            raise

    def finish(self) -> None:
        """Do what is due; only in its turn."""
        self._finished = True
        core = self._core
        if self._copies or self._deliveries:
            self._deliver()
        for retained in self._retained:
            core.router.retain(retained)
        if self.answers and self._outlet is not None:
            self._outlet.put(b"".join(self.answers))
            self._outlet.unanswered -= self.open
        for step in self.then:
            step()
        core.flush()

    def _deliver(self) -> None:
        now = self._core.clock()
        for coming, position in self._coming:
            coming.pop(position, None)
        for outgoing, sent_qos, retain, routes in self._copies:
            for route in routes:
                qos = min(sent_qos, route.qos)
                outlet = route.session.outlet
                if outlet is None or (qos and route.stored):
                    if (
                        qos and route.share is not None and not route.stored
                    ):  # its session has ended meanwhile
                        pass_on(
                            self._core, [Delivery(outgoing, sent_qos, retain, share=route.share)]
                        )
                    continue
                retained = retain and route.retain_as_published
                if qos:
                    outlet.offer(Delivery(outgoing, qos, retained, route.identifiers, route.share))
                else:
                    outlet.show(outgoing, retained, route.identifiers, now)
        for session, delivery in self._deliveries:
            if session.outlet is not None:
                session.outlet.offer(delivery)
            elif session.number:
                enqueue(self._core, session, delivery)


def pass_on(core: Core, owed: list[Delivery]) -> None:
    """Send what came through shared subscriptions to members that are there now, in order (4.8.2).

    Their queues are written in the transaction of what was written before, the end of the session
    that had it.
    """
    now = core.clock()
    batch = Batch(core, Line(), None)
    for delivery in owed:
        outgoing = delivery.outgoing
        if outgoing.expires is not None and outgoing.expires <= now:
            core.counters.messages_expired += 1
            continue
        route = core.router.successor(str(delivery.share), outgoing.topic.decode())
        if route is not None:
            batch.pass_on(delivery, route)
    batch.commit()
