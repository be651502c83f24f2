"""What the engines are built of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.port import Gate
    from gateway.config import Config
    from gateway.rates import Rates
    from gateway.seats import Seats
    from gateway.stores import Store
    from gateway.tls import ServerTls


class Needs(msgspec.Struct, frozen=True):
    """`filters`: what covers all routes, for an engine that has to subscribe. `seats`, `rates`:
    those that all entrances share.
    """

    config: Config
    gate: Gate
    store: Store
    tls: ServerTls | None
    filters: Sequence[str]
    seats: Seats
    rates: Rates

    @property
    def tls_port(self) -> int:
        """The port of the TLS listener, 0 without one."""
        return self.config.mqtt.tls.port if self.config.mqtt.tls else 0
