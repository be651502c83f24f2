"""All sessions of the broker: who has one, who takes one up again, and when one is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.core.exchange import Backlog, Exchange
from gateway.broker.embedded.core.session import Session
from gateway.broker.embedded.core.wheel import ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.durable import Delivery, Journal, SessionStore, StoredSession
    from gateway.broker.embedded.core.limits import Limits
    from gateway.broker.embedded.core.router import Router
    from gateway.broker.embedded.core.wheel import Wheel
    from gateway.broker.port import Identity

_FIRST_NUMBER: Final = 1


class StoredIdentity:
    """Who a restored session belongs to, until the client signs in again."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class Sessions:
    """The sessions by identity and client id. `clock` gives seconds since 1970.

    `pass_on` is given what an ended session owed as a member of shared subscriptions.
    """

    __slots__ = (
        "_absent", "_clock", "_journal", "_limits", "_next", "_pass_on", "_router", "_sessions", "_store", "_wheel",
    )  # fmt: skip

    def __init__(
        self,
        router: Router,
        store: SessionStore,
        journal: Journal,
        wheel: Wheel,
        limits: Limits,
        clock: Callable[[], float],
        pass_on: Callable[[list[Delivery]], None],
    ) -> None:
        self._router = router
        self._store = store
        self._journal = journal
        self._wheel = wheel
        self._limits = limits
        self._clock = clock
        self._pass_on = pass_on
        self._sessions: dict[tuple[str, str], Session] = {}
        self._absent: dict[
            str, dict[str, Session]
        ] = {}  # by identity, in the order in which they left
        self._next = _FIRST_NUMBER

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def find(self, identity: Identity, client_id: str) -> Session | None:
        """Return the session of a client."""
        return self._sessions.get((identity.key, client_id))

    def open(
        self,
        identity: Identity,
        client_id: str,
        expiry: int,
        *,
        clean: bool,
        will: Will | None = None,
    ) -> tuple[Session, bool]:
        """Return the session for a new connection, and whether it was there before [MQTT-3.1.2-4]
        [MQTT-3.1.2-5].
        """
        session = self.find(identity, client_id)
        if session is not None and clean:
            self.end(session)
            session = None
        present = session is not None
        if session is not None and session.will is not None:
            session.will.cancel()
        if session is None:
            session = self._sessions[identity.key, client_id] = Session(identity, client_id)
        session.identity = identity
        self._present(session)
        self.keep(session, expiry)
        if session.number:
            self._journal.write(
                *self._store.opened(session.number, identity.key, client_id, session.expiry, will)
            )
        return session, present

    def keep(self, session: Session, expiry: int) -> None:
        """Set how long a session outlives its connection; one that does at all is stored."""
        session.expiry = expiry
        if expiry and not session.number:
            session.number = self._next
            self._next += 1

    def leave(self, session: Session) -> None:
        """The connection of a session has ended."""
        if not session.expiry:
            self.end(session)
            return
        session.left = self._clock()
        self._journal.write(self._store.left(session.number, session.expiry, session.left))
        self._wait(session, session.expiry)

    def _wait(self, session: Session, seconds: float) -> None:
        absent = self._absent.setdefault(session.identity.key, {})
        absent[session.client_id] = session
        session.expire = self.end
        self._wheel.watch(session, self._wheel.now + ticks(seconds))
        while len(absent) > self._limits.sessions:
            self.end(next(iter(absent.values())))

    def _present(self, session: Session) -> None:
        self._wheel.unwatch(session)
        absent = self._absent.get(session.identity.key)
        if absent is not None:
            absent.pop(session.client_id, None)
            if not absent:
                del self._absent[session.identity.key]

    def end(self, session: Session) -> None:
        """A session is over, and all that it holds; its will, if it still waits, is due now
        [MQTT-3.1.2-8].
        """
        self._present(session)
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        for held in (session.subscriptions or {}).values():
            self._router.unsubscribe(session, held)
        session.subscriptions = None
        exchange, session.exchange = session.exchange, None
        if session.number:
            self._journal.write(*self._store.ended(session.number))
            session.number = 0
        if exchange is not None and (owed := exchange.owed()):
            self._pass_on(owed)
        will, session.will = session.will, None
        if will is not None:
            will.publish()

    def disown(self, sessions: Iterable[Session]) -> None:
        """Give these, which are all about to end, nothing that one of them leaves."""
        for session in sessions:
            for held in (session.subscriptions or {}).values():
                if held.group is not None:
                    self._router.unsubscribe(session, held)

    def purge(self, key: str) -> None:
        """End all sessions of an identity: those of connected clients with their connection."""
        gone = [session for session in self._sessions.values() if session.identity.key == key]
        self.disown(gone)
        for session in gone:
            if session.connection is None:
                self.end(session)
            else:
                self.keep(session, 0)

    def restore(self, stored: list[StoredSession]) -> None:
        """Take up what was stored, at the start; a client that was connected to the end left just
        now.
        """
        now = self._clock()
        for one in stored:
            self._next = max(self._next, one.number + 1)
        for one in stored:
            session = Session(StoredIdentity(one.key), one.client_id)
            session.number = one.number
            session.expiry = one.expiry
            session.left = now if one.left is None else one.left
            if one.left is None:
                self._journal.write(self._store.left(one.number, one.expiry, now))
            self._sessions[session.key] = session
            for held in one.subscriptions:
                session.hold(held)
                self._router.subscribe(session, held)
            if one.deliveries or one.received:
                session.exchange = self._exchange(one)
        for session in self:  # when all are there: the first to end may leave something to the last
            self._wait(session, session.left + session.expiry - now)

    def _exchange(self, stored: StoredSession) -> Exchange:
        exchange = Exchange(
            Backlog(self._limits.queue, self._limits.queue_bytes), self._limits.in_flight
        )
        exchange.received.update(stored.received)
        for delivery in stored.deliveries:
            delivery.stored = True
            exchange.restore(delivery)
        return exchange
