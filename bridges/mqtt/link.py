"""A device's MQTT connection, as the commands and the presence of the core see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.port import Message, Properties

if TYPE_CHECKING:
    from gateway.commands import Command

    from gateway.broker.port import Connection, Done
    from gateway.errors import GatewayError


class MqttLink:
    """A device that is connected over MQTT."""

    protocol = "mqtt"

    def __init__(self, device: str, connection: Connection) -> None:
        self.device = device
        self._connection = connection

    @property
    def address(self) -> str:
        return self._connection.address

    def deliver(self, command: Command, delivered: Done) -> bool:
        """Send a command if the device is subscribed to it; `delivered` runs at its PUBACK."""
        return self._connection.send(command_message(command), delivered)

    def close(self, error: GatewayError) -> None:
        self._connection.close(error)


def command_message(command: Command) -> Message:
    """Return a command as its device gets it; MQTT 5 devices can answer it exactly (section 4.10)."""
    return Message(
        topic=f"devices/{command.device}/commands/{command.name}",
        payload=command.value.encode(),
        qos=1,
        properties=Properties(
            payload_format=1,
            content_type="application/json",
            response_topic=f"devices/{command.device}/replies/{command.name}",
            correlation_data=command.id.encode(),
        ),
    )
