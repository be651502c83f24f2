"""What of the broker outlives the process: the journal of its facts and the state it starts from.

The broker gathers facts in its `Journal` and hands them to the gate with the messages that they
belong to, so that both are stored in one transaction.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.broker.embedded.core.outgoing import weight
from gateway.broker.embedded.core.tree import tree_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.broker import port
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.outgoing import Outgoing
    from gateway.store.facts import Fact


class Held(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A subscription that a session holds; `group` is the name of a shared one, `topic_filter`
    without `$share`.
    """

    text: str  # as the client wrote it
    topic_filter: str
    group: str | None
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


PACKET_IDS: Final = 0xFFFF


class Step(enum.IntEnum):
    """How far a delivery has come."""

    WAITING = 0
    SENT = 1
    RELEASED = 2  # QoS 2: PUBREC has come, PUBREL is out


class Delivery(msgspec.Struct):
    """A message for one session with QoS 1 or 2.

    `share`: the shared subscription that it came through, with `$share`; None where it is for this
    session alone. `stored`: it is in the journal under its position. `passing`: it belongs to the
    connection and ends with it. `dup`: it may have been sent before. `delivered` runs when it is
    acknowledged, `refused` when it never will be.
    """

    outgoing: Outgoing
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()
    share: str | None = None
    position: int = 0
    stored: bool = False
    step: Step = Step.WAITING
    passing: bool = False
    dup: bool = False
    delivered: Callable[[], None] | None = None
    refused: Callable[[str], None] | None = None

    @property
    def packet_id(self) -> int:
        return (self.position - 1) % PACKET_IDS + 1


class Retained(msgspec.Struct, frozen=True, gc=False):
    """The retained message of a topic; `expires` in seconds since 1970."""

    topic: str
    payload: bytes
    qos: int
    properties: port.Properties | None = None
    expires: float | None = None

    @property
    def size(self) -> int:
        """The bytes that it takes in memory, about."""
        return tree_size(self.topic) + len(self.payload) + weight(self.properties)


class StoredSession(msgspec.Struct):
    """A session as it was stored; `left` is None where the client was connected to the end."""

    number: int
    key: str
    client_id: str
    expiry: int
    left: float | None
    subscriptions: list[Held] = []
    deliveries: list[Delivery] = []  # in the order of their positions
    received: list[int] = []  # packet ids of QoS 2 messages from the client
    will: Will | None = None  # that is not published yet (4.1)


class State(msgspec.Struct):
    """All that was stored."""

    sessions: list[StoredSession] = []
    retained: list[Retained] = []


class Journal:
    """Facts on their way to the next transaction, in order."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[Fact] = []

    def __bool__(self) -> bool:
        return bool(self._pending)

    def write(self, *facts: Fact) -> None:
        """Add facts to the next transaction."""
        self._pending += facts

    def take(self) -> Sequence[Fact]:
        """Return everything that was written since the last time."""
        if not self._pending:
            return ()
        taken, self._pending = self._pending, []
        return taken
