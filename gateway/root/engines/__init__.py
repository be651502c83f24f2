"""Which engine carries MQTT: `[broker] engine`. Each is one module, and one row here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.root.engines import amqtt, embedded, external

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bridges.mqtt.gate import MqttGate
    from gateway.broker.port import Broker
    from gateway.links import Link
    from gateway.root.engines.needs import Needs


class Engine(Protocol):
    """What a module of an engine has."""

    @property
    def Gate(self) -> type[MqttGate]:  # noqa: N802 - a class
        """What it asks of the gateway."""

    async def build(self, needs: Needs) -> Broker:
        """Return the engine, its stored state restored, not yet started."""

    def links(self, broker: Broker, device: str) -> Sequence[Link]:
        """Return how to reach a device that is not connected to the gateway itself."""


ENGINES: dict[str, Engine] = {"embedded": embedded, "amqtt": amqtt, "external": external}
