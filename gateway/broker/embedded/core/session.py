"""A session: what the broker keeps of one client across its connections (4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.durable import Held
    from gateway.broker.embedded.core.exchange import Exchange
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.wills import PendingWill
    from gateway.broker.port import Identity

NEVER: Final = 0xFFFFFFFF
"""A session expiry interval that never ends (3.1.2.11.2)."""


class Session:
    """One client's session, keyed by who signed in and the client id, so that no one can take
    another's.

    `number`: its number in the journal, 0 where it ends with its connection. `connection`: the one
    that has it; `outlet`: the way out to it, once it is open. `expiry`: seconds that it outlives
    the connection; `left`: when that ended, in seconds since 1970; `expire`: what is called when
    nobody came back. `exchange` is None until QoS 1 or 2 needs it.
    """

    __slots__ = (
        "client_id", "connection", "due", "exchange", "expire", "expiry", "identity", "left", "number", "outlet",
        "subscriptions", "will",
    )  # fmt: skip

    def __init__(self, identity: Identity, client_id: str) -> None:
        self.identity = identity
        self.client_id = client_id
        self.number = 0
        self.expiry = 0
        self.left = 0.0
        self.connection: Connection | None = None
        self.outlet: Outlet | None = None
        self.subscriptions: dict[str, Held] | None = None
        self.exchange: Exchange | None = None
        self.will: PendingWill | None = None
        self.due = -1
        self.expire: Callable[[Session], None] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.identity.key, self.client_id

    def hold(self, held: Held) -> Held | None:
        """Add a subscription and return the one that it replaces [MQTT-3.8.4-3]."""
        if self.subscriptions is None:
            self.subscriptions = {}
        before = self.subscriptions.get(held.text)
        self.subscriptions[held.text] = held
        return before

    def drop(self, text: str) -> Held | None:
        """Remove a subscription and return it."""
        held = (self.subscriptions or {}).pop(text, None)
        self.subscriptions = self.subscriptions or None
        return held

    def look(self, now: int) -> int | None:
        """End, if no connection came in time; the wheel calls this."""
        if self.connection is None and self.expire is not None:
            self.expire(self)
        return None
