"""All sessions of the broker: who has one, who takes one up again, and when one is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.broker.embedded.core.facts import SessionEnded, SessionLeft, SessionOpened
from gateway.broker.embedded.core.session import Session
from gateway.broker.embedded.core.wheel import ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.durable import Delivery, StoredSession
    from gateway.broker.embedded.core.router import Router
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.embedded.core.wheel import Wheel
    from gateway.broker.port import Identity

_FIRST_NUMBER: Final = 1
_NOBODY: Final = -1  # no user has this number


class StoredIdentity:
    """Who a restored session belongs to, where the gate does not know the key any more."""

    __slots__ = ("key",)

    owner = _NOBODY

    def __init__(self, key: str) -> None:
        self.key = key


class Ended(NamedTuple):
    """A session that is over, and what it owed as a member of shared subscriptions."""

    session: Session
    owed: list[Delivery]


class Absence:
    """A session without a connection, until it expires."""

    __slots__ = ("_end", "session", "tick")

    def __init__(self, session: Session, end: Callable[[Session], None]) -> None:
        self.session = session
        self._end = end
        self.tick = -1

    def due(self, now: int) -> int | None:
        """Nobody came back; the wheel calls this."""
        self._end(self.session)
        return None


class Sessions:
    """The sessions by identity and client id. `ended` is told of each that is over."""

    __slots__ = (
        "_absent", "_end", "_ended", "_next", "_router", "_sessions", "_shared", "_wheel",
    )  # fmt: skip

    def __init__(
        self, shared: Shared, router: Router, wheel: Wheel, ended: Callable[[Ended], None]
    ) -> None:
        self._shared = shared
        self._router = router
        self._wheel = wheel
        self._ended = ended
        self._end = self.end
        self._sessions: dict[tuple[str, str], Session] = {}
        # By identity and client id, in the order in which they left.
        self._absent: dict[str, dict[str, Absence]] = {}
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
        if session is None:
            session = Session(self._shared, identity, client_id)
            self._sessions[session.key] = session
        session.identity = identity
        session.attached = True
        self._present(session)
        self.keep(session, expiry)
        if session.number:
            self._write_opened(session, will)
        return session, present

    def _write_opened(self, session: Session, will: Will | None) -> None:
        key, client_id = session.key
        opened = SessionOpened(session.number, key, client_id, session.expiry, will)
        self._shared.journal.write(opened)

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
        session.left = self._shared.clock()
        self._write_left(session)
        self._wait(session, session.expiry)

    def _write_left(self, session: Session) -> None:
        left = SessionLeft(session.number, session.expiry, session.left)
        self._shared.journal.write(left)

    def _wait(self, session: Session, seconds: float) -> None:
        absent = self._absent.setdefault(session.identity.key, {})
        absence = absent[session.client_id] = Absence(session, self._end)
        self._wheel.watch(absence, self._wheel.now + ticks(seconds))
        while len(absent) > self._shared.limits.sessions:
            self.end(next(iter(absent.values())).session)

    def _present(self, session: Session) -> None:
        absent = self._absent.get(session.identity.key)
        absence = absent.pop(session.client_id, None) if absent is not None else None
        if absence is not None:
            self._wheel.unwatch(absence)
        if absent is not None and not absent:
            del self._absent[session.identity.key]

    def end(self, session: Session) -> None:
        """A session is over, and all that it holds."""
        self._present(session)
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        for text, held in list((session.subscriptions or {}).items()):
            self._router.unsubscribe(session, held)
            session.drop(text)
        exchange, session.exchange = session.exchange, None
        if session.number:
            self._shared.journal.write(SessionEnded(session.number))
            session.number = 0
        owed = exchange.owed() if exchange is not None else []
        if exchange is not None:
            exchange.queue.clear()
        self._ended(Ended(session, owed))

    def leave_shares(self, sessions: Iterable[Session]) -> None:
        """Take these sessions, which are all about to end, out of their shared subscriptions first,
        so that none inherits the messages of another.
        """
        for session in sessions:
            for held in (session.subscriptions or {}).values():
                if held.group is not None:
                    self._router.unsubscribe(session, held)

    def purge(self, keys: Collection[str]) -> None:
        """End all sessions of identities: those of connected clients with their connection."""
        gone = [session for session in self._sessions.values() if session.identity.key in keys]
        self.leave_shares(gone)
        for session in gone:
            if session.attached:
                self.keep(session, 0)
            else:
                self.end(session)

    def restore(self, stored: list[StoredSession]) -> None:
        """Take up what was stored, at the start; a client that was connected to the end left just
        now.
        """
        now = self._shared.clock()
        for one in stored:
            self._next = max(self._next, one.number + 1)
        for one in stored:
            self._take_up(one, now)
        for session in self:  # when all are there: the first to end may leave something to the last
            self._wait(session, session.left + session.expiry - now)

    def _take_up(self, one: StoredSession, now: float) -> None:
        identity = self._shared.gate.known(one.key) or StoredIdentity(one.key)
        session = Session(self._shared, identity, one.client_id)
        session.number = one.number
        session.expiry = one.expiry
        session.left = now if one.left is None else one.left
        if one.left is None:
            self._write_left(session)
        self._sessions[session.key] = session
        for held in one.subscriptions:
            session.hold(held)
            self._router.subscribe(session, held)
        if not one.deliveries and not one.received:
            return
        exchange = session.open_exchange()
        exchange.received.update(one.received)
        for delivery in one.deliveries:
            delivery.stored = True
            exchange.restore(delivery)
