"""The QoS 1 and 2 half of a session as a machine without I/O: what waits, is in flight, has been
received (4.3).

A message for a session is a `Delivery` with a position, the next whole number of that session. Its
packet id follows from the position, so what is in flight keeps its packet id across a restart of
the gateway although only the position is stored, and no packet has to wait for a second commit.

Exactly once, outbound: a PUBREC is stored before its PUBREL is sent, so that after a crash the
PUBREL is repeated and never the PUBLISH.

Exactly once, inbound: a message is handed on at its PUBLISH and its packet id is stored in the same
transaction (method B of figure 4.3), so a PUBLISH repeated after a crash finds its id and is not
handed on again. The id is dropped at PUBREL; PUBCOMP waits for that commit, as the client may use
the id for another message from then on.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from gateway.broker.embedded.core.durable import Step
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.broker.embedded.core.account import Account, Payer
    from gateway.broker.embedded.core.durable import Delivery


class Backlog:
    """Deliveries in the order in which they go out; `most` of them, of `largest` bytes in all, and
    as far as the account of their payer reaches.
    """

    __slots__ = ("_account", "_bytes", "_deliveries", "_largest", "_most", "_payer")

    def __init__(self, most: int, largest: int, account: Account, payer: Payer) -> None:
        self._most = most
        self._largest = largest
        self._account = account
        self._payer = payer
        self._bytes = 0
        self._deliveries: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._deliveries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._deliveries)

    @property
    def first(self) -> Delivery | None:
        return self._deliveries[0] if self._deliveries else None

    @property
    def full(self) -> bool:
        """One more would drop the oldest."""
        return len(self._deliveries) >= self._most or self._bytes >= self._largest

    def add(self, delivery: Delivery) -> list[Delivery]:
        """Add the newest; return those that had to go for it."""
        self._deliveries.append(delivery)
        self._count(delivery.outgoing.size)
        dropped = []
        while len(self._deliveries) > self._most or (
            len(self._deliveries) > 1
            and (self._bytes > self._largest or not self._account.fits(self._payer))
        ):
            dropped.append(self.take())
        return dropped

    def put_back(self, delivery: Delivery) -> None:
        """Put one in front of all others."""
        self._deliveries.appendleft(delivery)
        self._count(delivery.outgoing.size)

    def take(self) -> Delivery:
        """Take the first out."""
        delivery = self._deliveries.popleft()
        self._count(-delivery.outgoing.size)
        return delivery

    def sift(self, goes: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take out what goes, wherever it is, and return it."""
        gone: list[Delivery] = []
        stays: deque[Delivery] = deque()
        for delivery in self._deliveries:
            (gone if goes(delivery) else stays).append(delivery)
        self._deliveries = stays
        self._count(-sum(delivery.outgoing.size for delivery in gone))
        return gone

    def clear(self) -> None:
        """Take all out."""
        self._deliveries.clear()
        self._count(-self._bytes)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._account.spend(self._payer, size)


class Exchange:
    """The two-way state of a session with QoS 1 and 2; most sessions never need one.

    `window`: how many deliveries may be in flight, the client's receive maximum at most; `queue`:
    those that wait; `coming`: those of shared subscriptions that have a position and are not
    offered yet, as their commit is on its way.
    """

    __slots__ = ("coming", "flight", "position", "queue", "received", "window")

    def __init__(self, queue: Backlog, window: int) -> None:
        self.window = window
        self.position = 0
        self.queue = queue
        self.flight: dict[int, Delivery] = {}
        self.coming: dict[int, Delivery] = {}
        self.received: set[int] = set()

    def place(self, delivery: Delivery) -> None:
        """Give a delivery its place in the order of this session."""
        self.position += 1
        delivery.position = self.position

    def offer(self, delivery: Delivery) -> list[Delivery]:
        """Add a delivery to those that wait; return the oldest ones, which had to go because the
        queue is full.
        """
        if not delivery.position:
            self.place(delivery)
        return self.queue.add(delivery)

    def advance(self) -> Delivery | None:
        """Return the next delivery to send, now in flight, or None while there is nothing or the
        window is full.
        """
        delivery = self.queue.first
        if delivery is None or len(self.flight) >= self.window:
            return None
        if (
            delivery.packet_id in self.flight
        ):  # 65,535 messages later, the first with this id is still in flight
            return None
        self.flight[delivery.packet_id] = self.queue.take()
        delivery.step = Step.SENT
        return delivery

    def acknowledged(self, packet_id: int) -> Delivery | None:
        """PUBACK: return the delivery that this ends, None where there is none with this id."""
        return self.flight.pop(packet_id) if self._answered(packet_id, 1) else None

    def released(self, packet_id: int) -> Delivery | None:
        """PUBREC: return the delivery whose PUBREL must be sent [MQTT-4.3.3-3]."""
        delivery = self._answered(packet_id, 2)
        if delivery is not None:
            delivery.step = Step.RELEASED
        return delivery

    def refused(self, packet_id: int) -> Delivery | None:
        """PUBREC with an error: return the delivery that this ends (4.3.3)."""
        delivery = self._answered(packet_id, 2)
        if delivery is None or delivery.step is Step.RELEASED:
            return None
        return self.flight.pop(packet_id)

    def completed(self, packet_id: int) -> Delivery | None:
        """PUBCOMP: return the delivery that this ends [MQTT-4.3.3-5]."""
        delivery = self._answered(packet_id, 2)
        if delivery is None:
            return None
        if delivery.step is not Step.RELEASED:
            raise ProtocolError("PUBCOMP before PUBREC")
        return self.flight.pop(packet_id)

    def _answered(self, packet_id: int, qos: int) -> Delivery | None:
        """Return what is in flight with this id; raise `ProtocolError` where its QoS has another
        answer.

        To pass over such an answer would keep its place in the window taken until the connection
        ends.
        """
        delivery = self.flight.get(packet_id)
        if delivery is not None and delivery.qos != qos:  # [MQTT-4.3.2-4] [MQTT-4.3.3-8]
            raise ProtocolError(f"not the answer to a message with QoS {delivery.qos}")
        return delivery

    def withdraw(self, unwanted: Callable[[str], bool], *, sent: bool) -> list[Delivery]:
        """Take back what waits on unwanted topics; with `sent` also what would be sent again.
        Return it.

        What the gateway sends to this client alone stays, and what is released.
        """
        asked: dict[bytes, bool] = {}

        def goes(delivery: Delivery) -> bool:
            topic = delivery.outgoing.topic
            if topic not in asked:
                asked[topic] = unwanted(topic.decode())
            return asked[topic] and not delivery.passing

        gone = self.queue.sift(goes)
        for delivery in list(self.flight.values()) if sent else ():
            if delivery.step is Step.SENT and goes(delivery):
                gone.append(self.flight.pop(delivery.packet_id))
        return gone

    def owed(self) -> list[Delivery]:
        """Return, in order, what another member of the same shared subscription may get when this
        session ends (4.8.2).

        [MQTT-4.8.2-5] With QoS 2 only what was never sent.
        """
        shared = [
            one
            for one in chain(self.queue, self.flight.values(), self.coming.values())
            if one.share is not None
        ]
        unsent = (
            one for one in shared if one.qos == 1 or (one.step is Step.WAITING and not one.dup)
        )
        return sorted(unsent, key=_position)

    def part(self) -> None:
        """The connection has ended: what belongs to it alone is dropped."""
        self.flight = {
            number: delivery for number, delivery in self.flight.items() if not delivery.passing
        }
        self.queue.sift(lambda delivery: delivery.passing)

    def resume(self) -> list[Delivery]:
        """A client is back: return what is released already, in order, to repeat its PUBREL
        [MQTT-4.4.0-1].

        The rest of what was in flight waits at the front again, so that the client's new receive
        maximum holds for it; its packet ids stay, and the order [MQTT-4.6.0-1].
        """
        released = [delivery for delivery in self.flight.values() if delivery.step is Step.RELEASED]
        again = sorted(
            (d for d in self.flight.values() if d.step is Step.SENT), key=_position, reverse=True
        )
        for delivery in again:
            delivery.dup = True
            delivery.step = Step.WAITING
            self.queue.put_back(delivery)
        self.flight = {delivery.packet_id: delivery for delivery in released}
        return sorted(released, key=_position)

    def restore(self, delivery: Delivery) -> None:
        """Take in a stored delivery at the start, in the order of positions."""
        self.position = max(self.position, delivery.position)
        if delivery.step is Step.WAITING:
            self.queue.add(delivery)
        else:  # what may have been sent counts as in flight until the client is back
            self.flight[delivery.packet_id] = delivery


def _position(delivery: Delivery) -> int:
    return delivery.position
