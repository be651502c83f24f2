"""Which engine carries MQTT: `[broker] engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.cluster import CLUSTER
from gateway.broker.amqtt_engine import AmqttEngine
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.embedded.engine import EmbeddedBroker
from gateway.broker.external import ExternalEngine
from gateway.store.sqlite import broker_state
from gateway.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.port import Broker, Gate
    from gateway.config import Config
    from gateway.seats import Seats
    from gateway.store.sqlite.database import Database
    from gateway.tls import ServerTls


# s; the longest of an MQTT 5 client, so that presence is true within 90 s (section 3.2.2.3.14)
KEEP_ALIVE = 60


async def build(
    config: Config,
    gate: Gate,
    database: Database,
    tls: ServerTls | None,
    filters: Sequence[str],
    seats: Seats,
) -> Broker:
    """Return the configured engine, its stored state restored, not yet started.

    `seats`: those that it shares with all other entrances.
    """
    context = tls.context if tls else None
    tls_port = config.mqtt.tls.port if config.mqtt.tls else 0
    if config.broker.engine == "external":
        return _external(config, gate, filters)
    if config.broker.engine == "amqtt":
        return AmqttEngine(
            gate,
            host=config.mqtt.host,
            port=config.mqtt.port,
            tls=context,
            tls_port=tls_port,
            packet_size=config.limits.packet_size,
            seats=seats,
        )
    limits = Limits(
        connections=config.limits.connections,
        packet_size=config.limits.packet_size,
        messages_per_second=config.limits.messages_per_second,
        keep_alive=KEEP_ALIVE,
    )
    broker = EmbeddedBroker(
        gate,
        broker_state.BrokerState(),
        host=config.mqtt.host,
        port=config.mqtt.port,
        limits=limits,
        tls=context,
        tls_port=tls_port,
        seats=seats,
    )
    broker.restore(await database.read(broker_state.load))
    return broker


def _external(config: Config, gate: Gate, filters: Sequence[str]) -> ExternalEngine:
    broker = config.broker
    assert broker.url is not None  # config requires it
    tls = client_context(broker.tls.ca, broker.tls.cert, broker.tls.key) if broker.tls else None
    return ExternalEngine(
        gate,
        url=broker.url,
        filters=filters,
        identity=CLUSTER,
        username=broker.username,
        password=broker.password,
        tls=tls,
    )
