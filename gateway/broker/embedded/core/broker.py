"""All clients of one broker as one machine: events in, bytes and calls of the gate out.

It has no clock and no sockets. A shell makes a `Client` for each connection, turns the wheel, and
calls `go_on` when the machine asked to be woken.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gateway.broker import port
from gateway.broker.embedded.core.facts import Unretained
from gateway.broker.embedded.core.handshake import admit
from gateway.broker.embedded.core.inlet import Inlet
from gateway.broker.embedded.core.pending import InOrder, Pending, pass_on
from gateway.broker.embedded.core.router import Router
from gateway.broker.embedded.core.sessions import Ended, Sessions, StoredIdentity
from gateway.broker.embedded.core.subscribing import Subscribing
from gateway.broker.embedded.core.wheel import Wheel
from gateway.broker.embedded.core.wills import Wills

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.broker.embedded.codec.packets import Connect
    from gateway.broker.embedded.core.durable import State
    from gateway.broker.embedded.core.handshake import Address, Admission
    from gateway.broker.embedded.core.peer import Peer
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared
    from gateway.rates import Rates
    from gateway.seats import Seats


class SignedIn(port.Connection, Protocol):
    """A client whose CONNECT was accepted."""

    @property
    def open(self) -> bool: ...
    def take_over(self) -> port.Connection | None:
        """The same client has connected again: end. Return the connection that the gate knows."""

    def stop(self) -> None:
        """The broker stops."""

    def forget(self) -> None:
        """Drop what is cached of the gate's answers."""


class Broker:
    """The parts of the machine, and what concerns more than one client.

    `rates`: how fast each sender may send.
    `seats`: those that all entrances share.
    `clients`: whoever signed in, by session.
    `paused`: the intake is full, nothing is read.
    """

    def __init__(
        self,
        shared: Shared,
        tick: int,
        rates: Rates,
        seats: Seats,
    ) -> None:
        self.shared = shared
        self.seats = seats
        self.wheel = Wheel(tick)
        self.router = Router(shared)
        self.rates = rates
        self.sessions = Sessions(shared, self.router, self.wheel, self._ended)
        self.wills = Wills(shared, self.router, self.wheel)
        self.subscribing = Subscribing(shared, self.router)
        self.clients: dict[Session, SignedIn] = {}
        self.paused = False
        self._each: dict[str, int] = {}  # connections by key
        self._order = InOrder()  # of what the gateway itself publishes

    def restore(self, state: State) -> None:
        """Take up the stored sessions and retained messages, once, before the first client."""
        for message in state.retained:
            self.router.retain(message)
        self.sessions.restore(state.sessions)
        for stored in state.sessions:
            session = self.sessions.find(StoredIdentity(stored.key), stored.client_id)
            if session is not None and stored.will is not None:
                self.wills.restore(session, stored.will)

    # One client.

    def admit(self, packet: Connect, address: Address) -> Admission:
        """Sign a client in, or raise `Refused`."""
        return admit(self.shared, self.router, packet, address, self._busy)

    def _busy(self, identity: port.Identity, client_id: str) -> bool:
        """Tell whether there is no room for a client; one that is connected already takes over its
        own place.
        """
        most = self.shared.limits.connections_each
        if not self.seats.full() and self._each.get(identity.key, 0) < most:
            return False
        return self.sessions.find(identity, client_id) not in self.clients

    def enter(
        self, client: SignedIn, admission: Admission
    ) -> tuple[Session, bool, port.Connection | None]:
        """Give a client its session; tell whether it was there before, and the connection that it
        replaces [MQTT-3.1.4-3].

        The gate learns of that one's end when the new one is there, so that it sees no outage.
        """
        identity, client_id = admission.identity, admission.client_id
        before = self.sessions.find(identity, client_id)
        there = self.clients.get(before) if before is not None else None
        replaced = there.take_over() if there is not None else None
        session, present = self.sessions.open(
            identity, client_id, admission.expiry, clean=admission.clean_start, will=admission.will
        )
        self.clients[session] = client
        self._each[identity.key] = self._each.get(identity.key, 0) + 1
        self.seats.take()
        if present:
            self.wills.cancel(session)
            self.router.generation += 1
            self.subscribing.drop_refused(session)
        return session, present, replaced

    def withdraw(self, session: Session) -> None:
        """A client is gone before it was told that it is let in."""
        self._give_up(session)
        self.wills.forget(session)
        self.sessions.leave(session)

    def leave(self, peer: Peer, departure: port.Departure) -> None:
        """The connection of a client has ended."""
        self._give_up(peer.session)
        if peer.will is not None:
            self.wills.leave(peer, peer.will)
        if departure != "taken_over":
            self.shared.gate.disconnected(peer.origin, departure)
        self.sessions.leave(peer.session)

    def _give_up(self, session: Session) -> None:
        del self.clients[session]
        key = session.identity.key
        self._each[key] -= 1
        if not self._each[key]:
            del self._each[key]
        self.seats.leave()
        session.detach()

    def inlet(self, peer: Peer) -> Inlet:
        """Return the way in for a client."""
        return Inlet(self.shared, self.router, self.subscribing, peer)

    def pending(self, peer: Peer) -> Pending:
        """Return a batch for what a client sends."""
        return Pending(self.shared, self.router, peer.order, peer.outlet)

    def allowance(self, peer: Peer) -> int:
        """Return how many messages a client may send now."""
        if self.rates.unlimited:
            return sys.maxsize
        return self.rates.allowance(peer.session.identity.key)

    def spend(self, peer: Peer, count: int) -> float:
        """Count messages of a client; return the seconds that it should wait."""
        self.shared.counters.messages_received += count
        if not count or self.rates.unlimited:
            return 0.0
        return self.rates.spend(peer.session.identity.key, count)

    # All of them.

    def _ended(self, ended: Ended) -> None:
        """A session is over: what it owed goes to others, and its will is due now
        [MQTT-3.1.2-8].
        """
        if ended.owed:
            pass_on(self.shared, self.router, ended.owed, ended.session.identity.owner)
        self.wills.publish(ended.session)

    def publish(self, message: port.Message) -> None:
        """Publish as the gateway itself."""
        publication = self.router.publication(None, message.topic.encode(), message.target)
        self.router.refresh(publication, None)
        if publication.silent and not message.retain:
            return
        pending = Pending(self.shared, self.router, self._order, None)
        pending.route(publication, message)
        pending.commit()

    def forget(self) -> None:
        """Permissions have changed: drop the gate's answers, and what is refused by now."""
        self.router.generation += 1
        for session, client in list(self.clients.items()):
            if client.open:
                client.forget()
                self.subscribing.drop_refused(session)
        self.commit_journal()

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None = None) -> None:
        """Nothing of these identities is left, and nothing on topics that `owns`: neither retained
        nor waiting for anybody.
        """
        if owns is not None:
            for topic in [topic for topic in self.router.retained_topics() if owns(topic)]:
                self.router.unretain(topic)
                self.shared.journal.write(Unretained(topic))
            for session in self.sessions:
                session.withdraw(owns)
        self.sessions.purge(keys)
        self.commit_journal()

    def stop(self) -> None:
        """Disconnect every client; sessions that end with it leave each other nothing."""
        self.sessions.leave_shares(session for session in self.sessions if not session.expiry)
        for client in list(self.clients.values()):
            client.stop()

    def statistics(self) -> dict[str, int]:
        """Return counters and gauges by name."""
        counts: dict[str, Any] = msgspec.structs.asdict(self.shared.counters)
        return counts | {
            "connections": len(self.clients),
            "sessions": len(self.sessions),
            "subscriptions": self.router.subscriptions,
            "retained": self.router.retained,
        }

    # Time.

    def turn(self, tick: int) -> None:
        """Look at what is due."""
        self.wheel.turn(tick)
        self.rates.sweep()
        self.commit_journal()
        self.shared.flush()

    def go_on(self) -> None:
        """Go on with what was too much for one turn."""
        eager, self.shared.eager = self.shared.eager, []
        for session in eager:
            session.resume()

    def commit_journal(self) -> None:
        """Hand on what was written for no client's packet."""
        if self.shared.journal:
            Pending(self.shared, self.router, self._order, None).commit()
