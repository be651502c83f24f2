"""The gateway's own broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.gate import MqttGate as Gate
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.engine import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.port import Broker
    from gateway.links import Link
    from gateway.root.engines.needs import Needs

__all__ = ["Gate", "build", "links"]

# s; the longest of an MQTT 5 client, so that presence is true within 90 s (section 3.2.2.3.14)
KEEP_ALIVE = 60


async def build(needs: Needs) -> Broker:
    """Return the engine, its stored state restored, not yet started."""
    config = needs.config
    limits = Limits(
        connections=config.limits.connections,
        packet_size=config.limits.packet_size,
        keep_alive=KEEP_ALIVE,
    )
    broker = EmbeddedBroker(
        needs.gate,
        host=config.mqtt.host,
        port=config.mqtt.port,
        limits=limits,
        tls=needs.tls.context if needs.tls else None,
        tls_port=needs.tls_port,
        seats=needs.seats,
        rates=needs.rates,
    )
    broker.restore(await needs.store.broker_state())
    return broker


def links(broker: Broker, device: str) -> Sequence[Link]:
    """Nobody: whom it has is connected here."""
    return ()
