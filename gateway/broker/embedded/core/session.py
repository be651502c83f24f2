"""A session: what the broker keeps of one client across its connections (4.1), and what it sends.

Messages with QoS 1 and 2 wait in the session's exchange and go out through its outlet while a
client is connected, reads, and has its window open.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from gateway.broker.embedded.core.account import payer_of
from gateway.broker.embedded.core.durable import Delivery, Step
from gateway.broker.embedded.core.exchange import Backlog, Exchange
from gateway.broker.embedded.core.facts import Queued, Settled
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.embedded.core.tree import tree_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.broker.embedded.core.durable import Held
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.shared import Shared
    from gateway.broker.port import Done, Identity, Message, Sent, Told

NEVER: Final = 0xFFFFFFFF
"""A session expiry interval that never ends (3.1.2.11.2)."""

_AT_ONCE: Final = 64  # retained messages in one turn
_END: Final = object()


class Session:
    """One client's session, keyed by who signed in and the client id, so that no one can take
    another's.

    `number`: its number in the journal, 0 where it ends with its connection.
    `expiry`: seconds that it outlives the connection; `left`: when that ended, in seconds since
    1970.
    `payer`: for whom its memory is counted.
    `attached`: a connection has it; `outlet`: the way out to that, once it is open.
    `exchange`: None until QoS 1 or 2 needs it.
    """

    __slots__ = (
        "_replay", "_shared", "attached", "client_id", "exchange", "expiry", "identity", "left",
        "number", "outlet",
        "payer", "subscriptions",
    )  # fmt: skip

    def __init__(self, shared: Shared, identity: Identity, client_id: str) -> None:
        self._shared = shared
        self._replay: Iterator[None] | None = None
        self.identity = identity
        self.payer = payer_of(identity)
        self.client_id = client_id
        self.number = 0
        self.expiry = 0
        self.left = 0.0
        self.attached = False
        self.outlet: Outlet | None = None
        self.subscriptions: dict[str, Held] | None = None
        self.exchange: Exchange | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.identity.key, self.client_id

    def hold(self, held: Held) -> Held | None:
        """Add a subscription and return the one that it replaces [MQTT-3.8.4-3]."""
        if self.subscriptions is None:
            self.subscriptions = {}
        before = self.subscriptions.get(held.text)
        self.subscriptions[held.text] = held
        if before is None:
            self._shared.filters.spend(self.payer, tree_size(held.text))
        return before

    def drop(self, text: str) -> Held | None:
        """Remove a subscription and return it."""
        held = (self.subscriptions or {}).pop(text, None)
        self.subscriptions = self.subscriptions or None
        if held is not None:
            self._shared.filters.spend(self.payer, -tree_size(text))
        return held

    # The connection.

    def attach(self, outlet: Outlet) -> None:
        """Send through this outlet, and begin where the last connection ended [MQTT-4.4.0-1]."""
        self.outlet = outlet
        exchange = self.exchange
        if exchange is None:
            return
        exchange.window = outlet.window
        for delivery in exchange.resume():
            outlet.put(b"\x62\x02" + delivery.packet_id.to_bytes(2, "big"))
        self.pump()

    def detach(self) -> None:
        """The connection is over: what belongs to it alone is dropped."""
        self.attached = False
        self.outlet = self._replay = None
        if self.exchange is not None:
            self.exchange.part()

    # Deliveries with QoS 1 and 2.

    def send(self, delivery: Delivery) -> None:
        """Send a message with QoS 1 or 2 when its turn comes."""
        self.enqueue(delivery)
        self.pump()

    def send_to_this_client(
        self, message: Message, qos: int, delivered: Done, refused: Told | None
    ) -> Sent | None:
        """Send a message over this connection alone, now or when the window opens; None where there
        is no room.
        """
        outlet = self.outlet
        if outlet is None:
            return None
        now = self._shared.clock()
        outgoing = Outgoing.of(message, now)
        if not qos:
            sent = outlet.send_unacknowledged(outgoing, False, (), now)
            return "unacknowledged" if sent else None
        if self.open_exchange().queue.full:
            return None
        self.send(Delivery(outgoing, qos, passing=True, delivered=delivered, refused=refused))
        return "acknowledged"

    def enqueue(self, delivery: Delivery) -> None:
        """Let a delivery wait; the oldest goes if there is no room."""
        for dropped in self.open_exchange().offer(delivery):
            self._shared.counters.messages_dropped += 1
            self.settle(dropped)

    def record(self, delivery: Delivery) -> None:
        """Give a delivery its place in the session and the journal, before it is sent."""
        delivery.stored = True
        self.open_exchange().place(delivery)
        # For a start after a crash: with a connection, it may have been sent.
        delivery.step = Step.SENT if self.attached else Step.WAITING
        self._shared.journal.write(Queued.of(self.number, delivery))
        delivery.step = Step.WAITING

    def settle(self, delivery: Delivery) -> None:
        """A delivery is over: acknowledged, dropped or expired."""
        if delivery.stored:
            self._shared.journal.write(Settled(self.number, delivery.position))

    def withdraw(self, unwanted: Callable[[str], bool]) -> None:
        """Take back what waits on unwanted topics, and what a client that is gone may have got."""
        if self.exchange is None:
            return
        for delivery in self.exchange.withdraw(unwanted, sent=self.outlet is None):
            self.settle(delivery)

    def open_exchange(self) -> Exchange:
        """Return the exchange, made when it is first needed."""
        if self.exchange is None:
            limits, queued = self._shared.limits, self._shared.queued
            queue = Backlog(limits.queue, limits.queue_bytes, queued, self.payer)
            window = self.outlet.window if self.outlet is not None else limits.in_flight
            self.exchange = Exchange(queue, window)
        return self.exchange

    def pump(self) -> None:
        """Send what waits while the client reads and its window is open."""
        self._drain()
        if self._replay is not None:
            self._step()

    def resume(self) -> None:
        """Go on sending in a new turn."""
        self.pump()
        self._shared.flush()

    def _drain(self) -> None:
        exchange, outlet = self.exchange, self.outlet
        if exchange is None or not exchange.queue or outlet is None or outlet.stuck:
            return
        now = self._shared.clock()
        while (delivery := exchange.advance()) is not None:
            expires = delivery.outgoing.expires
            if expires is not None and expires <= now and not delivery.dup:
                self._shared.counters.messages_expired += 1
                self._forget(exchange, delivery)
            # [MQTT-3.1.2-25] too large for this client: as if it had been sent and acknowledged
            elif not outlet.send(delivery, now):
                self._forget(exchange, delivery)
                if delivery.refused is not None:
                    delivery.refused(f"it takes packets of {outlet.largest} bytes at most")

    def _forget(self, exchange: Exchange, delivery: Delivery) -> None:
        del exchange.flight[delivery.packet_id]
        self.settle(delivery)

    # Retained messages.

    def replay(self, steps: Iterator[None]) -> None:
        """Send retained messages, one a step, as fast as the client takes them and no faster."""
        self._replay = steps if self._replay is None else chain(self._replay, steps)
        self._step()

    def _step(self) -> None:
        """Go on with the retained messages while the client reads and its window is open."""
        replay, outlet = self._replay, self.outlet
        if replay is None or outlet is None:
            return
        self._replay = None  # a step comes back here through `pump`
        gathered = 0
        while not outlet.full and not self._waiting() and gathered < _AT_ONCE:
            if next(replay, _END) is _END:
                return
            gathered += 1
        self._replay = replay
        if gathered == _AT_ONCE:  # what is gathered counts as written only after a flush
            self._shared.go_on_later(self)

    def _waiting(self) -> bool:
        return self.exchange is not None and bool(self.exchange.queue)
