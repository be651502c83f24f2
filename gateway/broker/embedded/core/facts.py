"""What of the broker outlives the process: each fact goes with the batch that it belongs to.

`number` is a session's, unique for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.store.facts import Fact

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.durable import Delivery, Held, Retained, Step
    from gateway.broker.embedded.core.outgoing import Outgoing


class SessionOpened(Fact, frozen=True, gc=False):
    """A client is connected to this session; every delivery of it may be sent from now on."""

    number: int
    key: str
    client_id: str
    expiry: int
    will: Will | None


class SessionLeft(Fact, frozen=True, gc=False):
    """The connection of this session has ended."""

    number: int
    expiry: int
    when: float


class WillDone(Fact, frozen=True, gc=False):
    """Its will is published, or never will be."""

    number: int


class SessionEnded(Fact, frozen=True, gc=False):
    """The session is over: nothing of it stays."""

    number: int


class Subscribed(Fact, frozen=True, gc=False):
    """The session holds a subscription, in place of one with the same text."""

    number: int
    held: Held


class Unsubscribed(Fact, frozen=True, gc=False):
    """The session no longer holds it."""

    number: int
    text: str


class Queued(Fact, frozen=True, gc=False):
    """A delivery waits for the client's acknowledgement."""

    number: int
    position: int
    step: Step
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    outgoing: Outgoing
    share: str | None

    @classmethod
    def of(cls, number: int, delivery: Delivery) -> Queued:
        """Return a delivery as it is now."""
        return cls(
            number,
            delivery.position,
            delivery.step,
            delivery.qos,
            delivery.retain,
            delivery.identifiers,
            delivery.outgoing,
            delivery.share,
        )


class Released(Fact, frozen=True, gc=False):
    """PUBREC has come for a delivery."""

    number: int
    position: int


class Settled(Fact, frozen=True, gc=False):
    """A delivery is acknowledged, dropped or expired."""

    number: int
    position: int


class Received(Fact, frozen=True, gc=False):
    """A QoS 2 message with this packet id was taken in."""

    number: int
    packet_id: int


class Completed(Fact, frozen=True, gc=False):
    """Its PUBREL has come."""

    number: int
    packet_id: int


class Kept(Fact, frozen=True, gc=False):
    """A message is retained in place of the one before."""

    message: Retained


class Unretained(Fact, frozen=True, gc=False):
    """The topic has no retained message."""

    topic: str
