"""A device's MQTT connection, as the commands and the presence of the core see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.bridges.mqtt.conventions import gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.port import Connection, Done, Sent
    from gateway.commands import AnswerTo, Command
    from gateway.errors import GatewayError


class MqttLink:
    """A device that is connected over MQTT."""

    protocol = "mqtt"

    def __init__(
        self, device: str, connection: Connection, refused: Callable[[Command, str], None]
    ) -> None:
        self.device = device
        self._connection = connection
        self._refused = refused

    @property
    def address(self) -> str:
        return self._connection.address

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        """Send a command if the device is subscribed to it; `delivered` runs at its PUBACK."""
        return self._connection.send(
            gateway.command(command), delivered, partial(self._refused, command)
        )

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Pass on a reply, if the device is subscribed where it wants to be answered."""
        return self._connection.send(gateway.answer(command, answer_to), lambda: None) is not None

    def close(self, error: GatewayError) -> None:
        self._connection.close(error)
