"""One signed-in client, as its packets see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.core.pending import InOrder

if TYPE_CHECKING:
    from gateway.broker import port
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.outlet import Outlet
    from gateway.broker.embedded.core.session import Session


class Peer:
    """What a connection, its session and its way out have in common. It has no behaviour.

    `origin`: the connection as the gate knows it.
    `version`: of MQTT.
    `order`: what the client has sent and is not stored yet, in order.
    `packet_size`: bytes of the longest packet that is taken from it.
    `unannounced`: the filters whose SUBACK is not out, which the gate does not know of yet.
    `will`: what is published when the client does not say goodbye.
    `open`: it is let in, and the connection has not ended.
    """

    __slots__ = (
        "open", "order", "origin", "outlet", "packet_size", "session", "unannounced", "version",
        "will",
    )  # fmt: skip

    def __init__(
        self,
        origin: port.Connection,
        session: Session,
        outlet: Outlet,
        version: int,
        will: Will | None,
        packet_size: int,
    ) -> None:
        self.origin = origin
        self.session = session
        self.outlet = outlet
        self.version = version
        self.will = will
        self.packet_size = packet_size
        self.order = InOrder()
        self.unannounced: frozenset[str] = frozenset()
        self.open = False
