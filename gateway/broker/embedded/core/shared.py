"""What the parts of one broker share: values and lists, and none of the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.broker.embedded.core.account import Account
from gateway.broker.embedded.core.durable import Journal
from gateway.broker.embedded.core.limits import Counters

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.core.limits import Limits
    from gateway.broker.port import Gate


class Gathering(Protocol):
    """Something with packets to write at the end of a turn: an outlet."""

    def flush(self) -> None: ...


class Resumable(Protocol):
    """Something that goes on in the next turn of the event loop: a session."""

    def resume(self) -> None: ...


class Shared:
    """The values that every part knows.

    `clock`: seconds since 1970. `new_id`: makes a client id for a client that brings none.
    `queued`, `filters`: the bytes of what waits for sessions, and of their subscriptions.
    `dirty`: the outlets that have packets to write at the next `flush`.
    `eager`: the sessions that have more retained messages to send than one turn may take.
    """

    __slots__ = (
        "_wake", "clock", "counters", "dirty", "eager", "filters", "gate", "journal", "limits",
        "new_id", "queued",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        limits: Limits,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        wake: Callable[[], None],
    ) -> None:
        self.gate = gate
        self.limits = limits
        self.clock = clock
        self.new_id = new_id
        self.counters = Counters()
        self.journal = Journal()
        self.queued = Account(limits.queue_bytes_user, limits.queue_bytes_all)
        self.filters = Account(limits.subscription_size_user, limits.subscription_size_all)
        self.dirty: list[Gathering] = []
        self.eager: list[Resumable] = []
        self._wake = wake

    def go_on_later(self, eager: Resumable) -> None:
        """Let something go on in the next turn; `wake` asks the shell for one."""
        self.eager.append(eager)
        if len(self.eager) == 1:
            self._wake()

    def flush(self) -> None:
        """Write what every client is owed, in one write each."""
        dirty = self.dirty
        for outlet in dirty:  # one that a write adds is reached too
            outlet.flush()
        dirty.clear()
