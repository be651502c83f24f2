"""An external broker, seen from the core: it signs devices in and knows who may do what; the
gateway listens there.

The gateway sees its own commands come back, and commands between devices pass by: neither is taken
in again. Whether a device got a command only its reply tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access.principal import Principal
from gateway.bridges.mqtt.conventions import gateway
from gateway.bridges.mqtt.gate import MqttGate
from gateway.broker.port import Target
from gateway.errors import Unauthenticated

if TYPE_CHECKING:
    from gateway.broker.port import Broker, Credentials, Done, Sent
    from gateway.commands import AnswerTo, Command
    from gateway.errors import GatewayError

CLUSTER = Principal(key="broker:external", name="external broker", scope="read")
_CARRIED = Target(records=False)


class ClusterGate(MqttGate):
    """The gate for what an external broker delivers; there is nobody to sign in."""

    def sign_in(self, credentials: Credentials) -> Principal:
        raise Unauthenticated("devices sign in at the external broker")

    def publishing(self, identity: object, topic: str) -> Target:
        match = self._routes.find(topic)
        if match is None or match.kind in ("carried", "command"):
            return _CARRIED
        return Target(records=True, translate=self._translation.of(match, CLUSTER))


class ClusterLink:
    """A device somewhere behind the external broker, connected or not."""

    protocol = "mqtt"
    address = ""

    def __init__(self, device: str, broker: Broker) -> None:
        self.device = device
        self._broker = broker

    def deliver(self, command: Command, delivered: Done) -> Sent:
        """Hand a command to the external broker."""
        self._broker.publish(gateway.command(command))
        return "unacknowledged"

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Commands between devices pass by the gateway there, and so do their replies."""
        return False

    def close(self, error: GatewayError) -> None:
        """Do nothing: the connection is not the gateway's."""
