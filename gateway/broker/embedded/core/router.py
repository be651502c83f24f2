"""Who gets a message: subscriptions, permissions and retained messages behind one cached answer a
topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.broker.embedded.codec import bodies
from gateway.broker.embedded.core.account import Account
from gateway.broker.embedded.core.tree import MAX_LEVELS, FilterTree, TopicTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.core.account import Payer
    from gateway.broker.embedded.core.durable import Held, Retained
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.port import Gate, Identity, Target

_ALWAYS_RETAINED: Final = 256  # bytes of a payload that may replace another in any case
_LONGEST_KEPT: Final = 512  # bytes of a topic; longer ones are not worth the memory


class Route(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One copy of a message: to a session, with the greatest QoS of its subscriptions that match.

    [MQTT-3.3.4-2] [MQTT-3.3.4-3]: one copy carries the identifiers of all of them.
    """

    session: Session
    qos: int
    retain_as_published: bool
    identifiers: tuple[int, ...]
    stored: bool  # QoS 1 and 2 go into the journal
    share: str | None = None  # the shared subscription, with `$share`


class Share:
    """A shared subscription: the sessions that hold it, and whose turn it is.

    Its messages are divided among the sessions of one owner; those of another owner, who may have
    chosen the same name, divide theirs among themselves. `turns` counts by owner.
    """

    __slots__ = ("members", "turns")

    def __init__(self) -> None:
        self.members: dict[Session, Held] = {}
        self.turns: dict[int | None, int] = {}

    def next_turn(self, owner: int | None, count: int) -> int:
        """Return whose turn it is among an owner's members."""
        turn = self.turns[owner] = self.turns.get(owner, 0) + 1
        return turn % count


class Group:
    """The members of a shared subscription that may get a topic; each message goes to one of them
    [MQTT-4.8.2-4].
    """

    __slots__ = ("_members", "_owner", "_share")

    def __init__(self, share: Share, owner: int | None, members: list[Route]) -> None:
        self._share = share
        self._owner = owner
        self._members = members

    def pick(self) -> Route:
        """Return the next member that is connected, or else the next whose session waits for it."""
        first = self._share.next_turn(self._owner, len(self._members))
        turns = [*self._members[first:], *self._members[:first]]
        return next((route for route in turns if route.session.outlet is not None), turns[0])


class Sight:
    """Who may get one topic, by the rights of this moment; the gate is asked once a session."""

    __slots__ = ("_asked", "_gate", "_topic")

    def __init__(self, gate: Gate, topic: str) -> None:
        self._gate = gate
        self._topic = topic
        self._asked: dict[Session, Identity | None] = {}

    def receiver(self, session: Session, held: Held) -> Identity | None:
        """Return whose session it is, or None where the topic may not reach it this way.

        What a connected client has subscribed to by name it may have: `forget` ends what is
        refused. For an absent one, which nobody ends, it is asked.
        """
        wild = "+" in held.topic_filter or "#" in held.topic_filter
        if wild:
            if session not in self._asked:
                self._asked[session] = self._asking(session, self._gate.receiving, self._topic)
            return self._asked[session]
        if session.attached:
            return session.identity
        return self._asking(session, self._gate.subscribing, held.topic_filter)

    def _asking(
        self, session: Session, may: Callable[[Identity, str], bool], subject: str
    ) -> Identity | None:
        identity: Identity | None = session.identity
        if not session.attached:
            identity = self._gate.known(session.identity.key)
        return identity if identity is not None and may(identity, subject) else None


class Publication:
    """What becomes of one sender's messages on one topic. `target` None: the sender may not publish
    there.

    `routes` and `groups` hold as of `generation`; `silent`: there are none.
    """

    __slots__ = ("generation", "groups", "raw", "retain", "routes", "silent", "target", "topic")

    def __init__(self, raw: bytes, topic: str, target: Target | None) -> None:
        self.raw = raw
        self.topic = topic
        self.target = target
        self.retain = target.retain if target else None
        self.generation = -1
        self.routes: tuple[Route, ...] = ()
        self.groups: tuple[Group, ...] = ()
        self.silent = True

    @property
    def cacheable(self) -> bool:
        """It is worth keeping."""
        return len(self.raw) <= _LONGEST_KEPT

    def chosen(self) -> tuple[Route, ...]:
        """Return the copies to make of one message."""
        if not self.groups:
            return self.routes
        return (*self.routes, *(group.pick() for group in self.groups))


class Router:
    """The subscriptions and retained messages of all sessions. `generation` rises when any route
    may have changed.
    """

    __slots__ = ("_account", "_gate", "_retained", "_shared", "_shares", "_tree", "generation")

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._gate = shared.gate
        self._tree: FilterTree[tuple[Session, str | None], tuple[Session, Held]] = FilterTree()
        self._shares: dict[str, Share] = {}
        self._retained: TopicTree[tuple[Retained, Payer]] = TopicTree()
        self._account = Account(shared.limits.retained_bytes_user, shared.limits.retained_bytes)
        self.generation = 0

    @property
    def subscriptions(self) -> int:
        return len(self._tree)

    @property
    def retained(self) -> int:
        return len(self._retained)

    def subscribe(self, session: Session, held: Held) -> None:
        """Add a subscription, in place of one with the same filter and group."""
        self._tree.add(held.topic_filter, (session, held.group), (session, held))
        self.generation += 1
        if held.group is not None:
            self._shares.setdefault(held.text, Share()).members[session] = held

    def unsubscribe(self, session: Session, held: Held) -> None:
        """Take a subscription out."""
        self._tree.remove(held.topic_filter, (session, held.group))
        self.generation += 1
        share = self._shares.get(held.text) if held.group is not None else None
        if share is not None:
            share.members.pop(session, None)
            if not share.members:
                del self._shares[held.text]

    def successor(self, share: str, topic: str, owner: int | None) -> Route | None:
        """Return the next member of an owner's shared subscription that may get a topic; a member
        that is connected comes first.
        """
        found, sight = self._shares.get(share), Sight(self._gate, topic)
        if found is None:
            return None
        members = [
            (session, held)
            for session, held in found.members.items()
            if (session.outlet is not None or (session.number and held.qos))
            and (receiver := sight.receiver(session, held)) is not None
            and receiver.owner == owner
        ]
        if not members:
            return None
        first = found.next_turn(owner, len(members))
        turns = [*members[first:], *members[:first]]
        here = (member for member in turns if member[0].outlet is not None)
        session, held = next(here, turns[0])
        return _route(session, [held], share)

    def publication(
        self, identity: Identity | None, raw: bytes, target: Target | None = None
    ) -> Publication:
        """Return what becomes of a sender's messages on a topic; raises `ProtocolError` where it is
        no topic name.

        `identity` None is the gateway itself, which may publish anywhere; `target` is then what it
        says.
        """
        topic = bodies.read_topic_name(raw, 4)
        # $SYS is the broker's own to publish (4.7.2).
        if identity is not None and topic.count("/") < MAX_LEVELS and not topic.startswith("$SYS/"):
            target = self._gate.publishing(identity, topic)
        return Publication(raw, topic, target)

    def refresh(self, publication: Publication, sender: Session | None) -> None:
        """Find the routes of a publication again."""
        publication.generation = self.generation
        plain: dict[Session, list[Held]] = {}
        shared: dict[tuple[str, int | None], list[Route]] = {}
        carried = publication.target is None or publication.target.carried
        sight = Sight(self._gate, publication.topic)
        for session, held in self._tree.match(publication.topic) if carried else ():
            if held.no_local and session is sender:  # [MQTT-3.8.3-3]
                continue
            receiver = sight.receiver(session, held)
            if receiver is None:
                continue
            if held.group is None:
                plain.setdefault(session, []).append(held)
            else:
                members = shared.setdefault((held.text, receiver.owner), [])
                members.append(_route(session, [held], held.text))
        publication.routes = tuple(_route(session, helds) for session, helds in plain.items())
        publication.groups = tuple(
            Group(self._shares[text], owner, members) for (text, owner), members in shared.items()
        )
        publication.silent = not publication.routes and not publication.groups

    def retain(self, message: Retained) -> None:
        """Keep the retained message of a topic; an empty payload takes it away [MQTT-3.3.1-6]."""
        self.unretain(message.topic)
        if message.payload:
            payer = self._gate.payer(message.topic)
            self._account.spend(payer, message.size)
            self._retained.set(message.topic, (message, payer))

    def unretain(self, topic: str) -> None:
        """Keep no retained message of a topic."""
        before = self._retained.get(topic)
        if before is not None:
            message, payer = before
            self._retained.remove(topic)
            self._account.spend(payer, -message.size)

    def may_retain(self, message: Retained) -> bool:
        """Tell whether a message can be retained within the bounds on their number and bytes.

        A short one always can in place of one that is there: a device's last word is true.
        """
        if message.topic.count("/") >= MAX_LEVELS:
            return False
        before = self._retained.get(message.topic)
        if before is None:
            room = len(self._retained) < self._shared.limits.retained
            return room and self._account.fits(self._gate.payer(message.topic), message.size)
        grows = message.size - before[0].size
        return (
            grows <= 0
            or len(message.payload) <= _ALWAYS_RETAINED
            or self._account.fits(before[1], grows)
        )

    def retained_on(self, topic: str) -> Retained | None:
        """Return the retained message of a topic."""
        found = self._retained.get(topic)
        return found[0] if found is not None else None

    def retained_topics(self) -> list[str]:
        """Return the topics that have a retained message."""
        return [message.topic for message, _ in self._retained.match("#")]

    def retained_for(self, session: Session, held: Held) -> list[Retained]:
        """Return the retained messages that a new subscription may get."""
        return [
            message
            for message, _ in self._retained.match(held.topic_filter)
            if Sight(self._gate, message.topic).receiver(session, held) is not None
        ]


def _route(session: Session, helds: list[Held], share: str | None = None) -> Route:
    qos = max(held.qos for held in helds)
    return Route(
        session,
        qos,
        any(held.retain_as_published for held in helds),
        tuple(held.identifier for held in helds if held.identifier),
        bool(session.number and qos),
        share,
    )
