"""A broker elsewhere, perhaps a cluster: the gateway is one of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.cluster import CLUSTER, ClusterLink
from gateway.bridges.mqtt.cluster import ClusterGate as Gate
from gateway.broker.external import ExternalEngine
from gateway.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.port import Broker
    from gateway.links import Link
    from gateway.root.engines.needs import Needs

__all__ = ["Gate", "build", "links"]


async def build(needs: Needs) -> Broker:
    """Return the engine, its stored state restored, not yet started."""
    broker = needs.config.broker
    assert broker.url is not None  # config requires it
    tls = client_context(broker.tls.ca, broker.tls.cert, broker.tls.key) if broker.tls else None
    return ExternalEngine(
        needs.gate,
        url=broker.url,
        filters=needs.filters,
        identity=CLUSTER,
        username=broker.username,
        password=broker.password,
        tls=tls,
    )


def links(broker: Broker, device: str) -> Sequence[Link]:
    """Any device may be listening there."""
    return (ClusterLink(device, broker),)
