"""A device's MQTT connection, as the commands and the presence of the core see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from gateway.bridges.mqtt.conventions import gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.broker.port import Connection, Done, Message, Sent
    from gateway.commands import AnswerTo, Command
    from gateway.errors import GatewayError


class Write(Protocol):
    """Return a command as the messages of a device's convention, None where it speaks none."""

    def __call__(self, command: Command, /) -> Sequence[Message] | None: ...


class MqttLink:
    """A device that is connected over MQTT, or the child of one that is."""

    protocol = "mqtt"

    def __init__(
        self,
        device: str,
        connection: Connection,
        refused: Callable[[Command, str], None],
        write: Write,
    ) -> None:
        self.device = device
        self._connection = connection
        self._refused = refused
        self._write = write
        self._children: dict[str, MqttLink] = {}

    @property
    def address(self) -> str:
        return self._connection.address

    def to(self, child: str) -> MqttLink:
        """Return the way to a child over this connection, the same one each time."""
        link = self._children.get(child)
        if link is None:
            link = MqttLink(child, self._connection, self._refused, self._write)
            self._children[child] = link
        return link

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        """Send a command if the device is subscribed to it; `delivered` runs at its PUBACK."""
        *before, last = self._write(command) or (gateway.command(command),)
        for message in before:
            if self._connection.send(message, _nothing) is None:
                return None
        return self._connection.send(last, delivered, partial(self._refused, command))

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Pass on a reply, if the device is subscribed where it wants to be answered."""
        return self._connection.send(gateway.answer(command, answer_to), _nothing) is not None

    def close(self, error: GatewayError) -> None:
        self._connection.close(error)


def _nothing() -> None:
    return
