"""Wills: what is published when a client does not say goodbye (3.1.2.5, 3.1.3.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.core.outgoing import travelling
from gateway.broker.embedded.core.pending import Batch, Line
from gateway.broker.embedded.core.wheel import ticks
from gateway.broker.port import Message

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core


class PendingWill:
    """A will whose connection has ended. Its session keeps it until its delay has passed or the
    client is back.
    """

    __slots__ = ("_core", "_line", "_origin", "_session", "_will", "due")

    def __init__(
        self, core: Core, session: Session, will: Will, line: Line, origin: Connection | None
    ) -> None:
        self._core = core
        self._session = session
        self._will = will
        self._line = line
        self._origin = origin
        self.due = -1

    def wait(self, seconds: float) -> None:
        """Publish it after a delay, and not before (3.1.3.2.2)."""
        self._session.will = self
        self._core.wheel.watch(self, self._core.wheel.now + ticks(seconds))

    def look(self, now: int) -> int | None:
        """The delay has passed; the wheel calls this."""
        self.publish()
        return None

    def cancel(self) -> None:
        """The client is back in time [MQTT-3.1.3-9]."""
        self._core.wheel.unwatch(self)
        self._session.will = None

    def publish(self) -> None:
        """Publish it as the client's message, if the client still may [MQTT-3.1.2-8]
        [MQTT-3.1.2-17].
        """
        self.cancel()
        core, will = self._core, self._will
        forget_will(core, self._session)  # in the same transaction as the message
        publication = core.router.publication(self._session.identity, will.topic.encode())
        if publication.target is None:
            core.counters.messages_refused += 1
            return
        core.router.refresh(publication, self._session)
        retain = will.retain if publication.retain is None else publication.retain
        message = Message(
            publication.topic,
            will.payload,
            will.qos,
            retain,
            publication.target,
            travelling(will.properties),
            self._origin,
        )
        batch = Batch(core, self._line, None)
        batch.messages.append(message)
        if retain or not publication.silent:
            batch.route(publication, message)
        batch.commit()


def leave_will(core: Core, connection: Connection, will: Will) -> None:
    """Publish the will of a connection that has ended, now or after its delay (3.1.3.2.2)."""
    session = connection.session
    pending = PendingWill(core, session, will, connection.line, connection)
    delay = min(will.properties.will_delay_interval or 0, session.expiry)
    if delay:
        pending.wait(delay)
    else:
        pending.publish()


def take_up_will(core: Core, session: Session, will: Will) -> None:
    """Go on waiting with a stored will (4.1); that of a client which was connected to the end is
    due after its delay.

    Only the key of who left it was stored: the gate says who that is by now, and nobody is a reason
    to drop it.
    """
    identity = core.gate.known(session.identity.key)
    if identity is None:
        forget_will(core, session)
        return
    session.identity = identity
    delay = min(will.properties.will_delay_interval or 0, session.expiry)
    PendingWill(core, session, will, Line(), None).wait(session.left + delay - core.clock())


def forget_will(core: Core, session: Session) -> None:
    """Store that a will is published, or never will be."""
    if session.number:
        core.journal.write(core.store.unwilled(session.number))
