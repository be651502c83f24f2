"""A device's MQTT connection, as the commands and the presence of the core see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.broker.port import Message, Properties

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
            command_message(command), delivered, partial(self._refused, command)
        )

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Pass on a reply, if the device is subscribed where it wants to be answered."""
        return self._connection.send(answer_message(command, answer_to), lambda: None) is not None

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


def answer_message(command: Command, answer_to: AnswerTo) -> Message:
    """Return the reply to a device's command, on the response topic of its request, or else on its
    own topics.
    """
    return Message(
        topic=answer_to.topic or f"devices/{answer_to.device}/replies/{command.name}",
        payload=(command.reply or "null").encode(),
        qos=1,
        properties=Properties(
            payload_format=1,
            content_type="application/json",
            correlation_data=answer_to.correlation,
        ),
    )
