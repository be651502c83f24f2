"""What all connections of one broker share."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from gateway.broker.embedded.core.durable import Journal
from gateway.broker.embedded.core.limits import Counters
from gateway.broker.embedded.core.pending import pass_on
from gateway.broker.embedded.core.rates import Rates
from gateway.broker.embedded.core.router import Router
from gateway.broker.embedded.core.sessions import Sessions
from gateway.broker.embedded.core.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.durable import Delivery, SessionStore
    from gateway.broker.embedded.core.limits import Limits
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.port import Gate
    from gateway.seats import Seats


class Core:
    """The parts, and the two lists that outlast a call: who has something to write, who waits to be
    read.

    `clock` gives seconds since 1970; `paused`: the intake is full.
    """

    __slots__ = (
        "_dirty", "clock", "closed", "closing", "connections", "counters", "gate", "journal", "limits",
        "paused", "rates", "router", "seats", "sessions", "stalled", "store", "strangers", "wheel",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        store: SessionStore,
        limits: Limits,
        clock: Callable[[], float],
        tick: int,
        seats: Seats,
    ) -> None:
        self.gate = gate
        self.store = store
        self.limits = limits
        self.clock = clock
        self.seats = seats
        self.counters = Counters()
        self.journal = Journal()
        self.router = Router(gate)
        self.rates = Rates(limits.messages_per_second, monotonic)
        self.wheel = Wheel(tick)
        self.sessions = Sessions(
            self.router, store, self.journal, self.wheel, limits, clock, self._pass_on
        )
        self.connections: set[Connection] = set()  # signed in
        self.strangers: set[Connection] = set()  # not yet
        self.stalled: set[Connection] = set()
        self.closing: set[Connection] = set()  # over, but their transports are not
        self.closed = asyncio.Event()  # set whenever there are none of these
        self.paused = False
        self._dirty: list[Outlet] = []

    def _pass_on(self, owed: list[Delivery]) -> None:
        pass_on(self, owed)

    def to_write(self, outlet: Outlet) -> None:
        """Note a connection that has packets to write at the next `flush`."""
        self._dirty.append(outlet)

    def flush(self) -> None:
        """Write what every connection has gathered, in one write each."""
        dirty = self._dirty
        if dirty:
            self._dirty = []
            for outlet in dirty:
                outlet.flush()
