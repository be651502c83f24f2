"""The broker of the amqtt package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.gate import MqttGate as Gate
from gateway.broker.amqtt_engine import AmqttEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.port import Broker
    from gateway.links import Link
    from gateway.root.engines.needs import Needs

__all__ = ["Gate", "build", "links"]


async def build(needs: Needs) -> Broker:
    """Return the engine, its stored state restored, not yet started."""
    config = needs.config
    return AmqttEngine(
        needs.gate,
        host=config.mqtt.host,
        port=config.mqtt.port,
        tls=needs.tls.context if needs.tls else None,
        tls_port=needs.tls_port,
        packet_size=config.limits.packet_size,
        seats=needs.seats,
        rates=needs.rates,
    )


def links(broker: Broker, device: str) -> Sequence[Link]:
    """Nobody: whom it has is connected here."""
    return ()
