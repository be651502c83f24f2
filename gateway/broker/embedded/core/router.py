"""Who gets a message: subscriptions, permissions and retained messages behind one cached answer a
topic.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.broker.embedded.codec import bodies
from gateway.broker.embedded.core.tree import MAX_LEVELS, FilterTree, TopicTree

if TYPE_CHECKING:
    from gateway.broker.embedded.core.durable import Held, Retained
    from gateway.broker.embedded.core.limits import Limits
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.port import Gate, Identity, Target

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
    """A shared subscription: the sessions that hold it, and whose turn it is."""

    __slots__ = ("members", "turn")

    def __init__(self) -> None:
        self.members: dict[Session, Held] = {}
        self.turn = 0

    def take_turn(self) -> list[tuple[Session, Held]]:
        """Return all members, the next one first."""
        self.turn += 1
        members = list(self.members.items())
        first = self.turn % len(members)
        return members[first:] + members[:first]


class Group:
    """The members of a shared subscription that may get a topic; each message goes to one of them
    [MQTT-4.8.2-4].
    """

    __slots__ = ("_members", "_share")

    def __init__(self, share: Share, members: list[Route]) -> None:
        self._share = share
        self._members = members

    def pick(self) -> Route:
        """Return the next member that is connected, or else the next whose session waits for it."""
        count = len(self._members)
        self._share.turn += 1
        turns = [self._members[(self._share.turn + step) % count] for step in range(count)]
        return next((route for route in turns if route.session.outlet is not None), turns[0])


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

    __slots__ = ("_gate", "_retained", "_retained_bytes", "_shares", "_tree", "generation")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._tree: FilterTree[tuple[Session, str | None], tuple[Session, Held]] = FilterTree()
        self._shares: dict[str, Share] = {}
        self._retained: TopicTree[Retained] = TopicTree()
        self._retained_bytes = 0
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

    def successor(self, share: str, topic: str) -> Route | None:
        """Return the next member of a shared subscription that may get a topic; who is connected
        comes first.
        """
        found = self._shares.get(share)
        turns = found.take_turn() if found is not None else []
        here = ((session, held) for session, held in turns if session.outlet is not None)
        away = (
            (session, held)
            for session, held in turns
            if session.outlet is None and session.number and held.qos
        )
        for session, held in chain(here, away):
            if self._may_see(session, held, topic):
                return _route(session, [held], share)
        return None

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
        shared: dict[str, list[Route]] = {}
        carried = publication.target is None or publication.target.carried
        for session, held in self._tree.match(publication.topic) if carried else ():
            if held.no_local and session is sender:  # [MQTT-3.8.3-3]
                continue
            if not self._may_see(session, held, publication.topic):
                continue
            if held.group is None:
                plain.setdefault(session, []).append(held)
            else:
                shared.setdefault(held.text, []).append(_route(session, [held], held.text))
        publication.routes = tuple(_route(session, helds) for session, helds in plain.items())
        publication.groups = tuple(
            Group(self._shares[text], members) for text, members in shared.items()
        )
        publication.silent = not publication.routes and not publication.groups

    def _may_see(self, session: Session, held: Held, topic: str) -> bool:
        """Ask the gate where the filter says more than one topic; for the absent, when they are
        back.
        """
        wild = "+" in held.topic_filter or "#" in held.topic_filter
        return not wild or not session.attached or self._gate.receiving(session.identity, topic)

    def retain(self, message: Retained) -> None:
        """Keep the retained message of a topic; an empty payload takes it away [MQTT-3.3.1-6]."""
        if not message.payload:
            self.unretain(message.topic)
            return
        before = self._retained.get(message.topic)
        self._retained_bytes += message.size - (before.size if before is not None else 0)
        self._retained.set(message.topic, message)

    def unretain(self, topic: str) -> None:
        """Keep no retained message of a topic."""
        before = self._retained.get(topic)
        if before is not None:
            self._retained.remove(topic)
            self._retained_bytes -= before.size

    def may_retain(self, message: Retained, limits: Limits) -> bool:
        """Tell whether a message can be retained within the bounds on their number and bytes."""
        if message.topic.count("/") >= MAX_LEVELS:
            return False
        before = self._retained.get(message.topic)
        grows = message.size - (before.size if before is not None else 0)
        if before is None and len(self._retained) >= limits.retained:
            return False
        return grows <= 0 or self._retained_bytes + grows <= limits.retained_bytes

    def retained_on(self, topic: str) -> Retained | None:
        """Return the retained message of a topic."""
        return self._retained.get(topic)

    def retained_topics(self) -> list[str]:
        """Return the topics that have a retained message."""
        return [message.topic for message in self._retained.match("#")]

    def retained_for(self, session: Session, held: Held) -> list[Retained]:
        """Return the retained messages that a new subscription may get."""
        found = self._retained.match(held.topic_filter)
        return [message for message in found if self._may_see(session, held, message.topic)]


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
