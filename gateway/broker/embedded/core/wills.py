"""Wills: what is published when a client does not say goodbye (3.1.2.5, 3.1.3.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.core.facts import WillDone
from gateway.broker.embedded.core.outgoing import forwarded
from gateway.broker.embedded.core.pending import InOrder, Pending
from gateway.broker.embedded.core.wheel import ticks
from gateway.broker.port import Message

if TYPE_CHECKING:
    from gateway.broker import port
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.peer import Peer
    from gateway.broker.embedded.core.router import Router
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.embedded.core.wheel import Wheel


class Waiting:
    """A will whose connection has ended, until its delay has passed or the client is back."""

    __slots__ = ("_wills", "order", "origin", "session", "tick", "will")

    def __init__(
        self,
        wills: Wills,
        session: Session,
        will: Will,
        order: InOrder,
        origin: port.Connection | None,
    ) -> None:
        self._wills = wills
        self.session = session
        self.will = will
        self.order = order
        self.origin = origin
        self.tick = -1

    @property
    def delay(self) -> float:
        """Seconds to wait: a session that ends earlier ends the waiting (3.1.3.2.2)."""
        return min(self.will.properties.will_delay_interval or 0, self.session.expiry)

    def due(self, now: int) -> int | None:
        """The delay has passed; the wheel calls this."""
        self._wills.publish(self.session)
        return None


class Wills:
    """The wills that wait, by session."""

    __slots__ = ("_router", "_shared", "_waiting", "_wheel")

    def __init__(self, shared: Shared, router: Router, wheel: Wheel) -> None:
        self._shared = shared
        self._router = router
        self._wheel = wheel
        self._waiting: dict[Session, Waiting] = {}

    def leave(self, peer: Peer, will: Will) -> None:
        """A connection has ended: publish its will, now or after its delay (3.1.3.2.2)."""
        waiting = Waiting(self, peer.session, will, peer.order, peer.origin)
        if waiting.delay:
            self._wait(waiting, waiting.delay)
        else:
            self._publish(waiting)

    def restore(self, session: Session, will: Will) -> None:
        """Go on waiting with a stored will (4.1); that of a client which was connected to the end
        is due after its delay.

        Only the key of its client was stored: the gate says who that is now. If the key no longer
        exists, the will is dropped.
        """
        identity = self._shared.gate.known(session.identity.key)
        if identity is None:
            self.forget(session)
            return
        session.identity = identity
        waiting = Waiting(self, session, will, InOrder(), None)
        self._wait(waiting, session.left + waiting.delay - self._shared.clock())

    def _wait(self, waiting: Waiting, seconds: float) -> None:
        self._waiting[waiting.session] = waiting
        self._wheel.watch(waiting, self._wheel.now + ticks(seconds))

    def cancel(self, session: Session) -> Waiting | None:
        """The client is back in time [MQTT-3.1.3-9]."""
        waiting = self._waiting.pop(session, None)
        if waiting is not None:
            self._wheel.unwatch(waiting)
        return waiting

    def publish(self, session: Session) -> None:
        """Publish the will that waits for a session, if there is one [MQTT-3.1.2-8]."""
        waiting = self.cancel(session)
        if waiting is not None:
            self._publish(waiting)

    def _publish(self, waiting: Waiting) -> None:
        """Publish a will as the client's message, if the client still may [MQTT-3.1.2-17]."""
        shared, router, will = self._shared, self._router, waiting.will
        self.forget(waiting.session)  # in the same transaction as the message
        publication = router.publication(waiting.session.identity, will.topic.encode())
        if publication.target is None:
            shared.counters.messages_refused += 1
            return
        router.refresh(publication, waiting.session)
        retain = will.retain if publication.retain is None else publication.retain
        sent, target = forwarded(will.properties), publication.target
        message = Message(
            publication.topic, will.payload, will.qos, retain, target, sent, waiting.origin
        )
        pending = Pending(shared, router, waiting.order, None)
        pending.messages.append(message)
        if retain or not publication.silent:
            pending.route(publication, message)
        pending.commit()

    def forget(self, session: Session) -> None:
        """Store that a will is published, or never will be."""
        if session.number:
            self._shared.journal.write(WillDone(session.number))
