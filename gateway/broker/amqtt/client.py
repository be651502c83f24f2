"""One signed-in connection, as the rest of the gateway sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.topics import check_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.amqtt.outbox import Outbox
    from gateway.broker.amqtt.streams import PacketReader, PacketWriter
    from gateway.broker.port import Departure, Done, Gate, Identity, Message, Sent, Target, Told
    from gateway.errors import GatewayError

_TARGETS = 1000  # topics of one client whose target is remembered


class Client:
    """The port's `Connection`. `session` is the key of its session: another principal's client id
    is another session.

    `will` is published when it leaves without a goodbye. `announced`: the gate knows of it. `ended`
    is set when nothing of it is left but its session. `granted(session, topic)` tells the QoS of
    its subscription, None without.
    """

    def __init__(
        self,
        identity: Identity,
        client_id: str,
        reader: PacketReader,
        writer: PacketWriter,
        granted: Callable[[str, str], int | None],
    ) -> None:
        self.identity = identity
        self.client_id = client_id
        self.session = f"{identity.key}/{client_id}"
        self.will: Message | None = None
        self.outbox: Outbox | None = None
        self.announced = False
        self.ended = asyncio.Event()
        self.reader = reader
        self.writer = writer
        self._granted = granted
        self._targets: dict[str, Target | None] = {}

    @property
    def address(self) -> str:
        peer = self.writer.get_peer_info()
        return peer[0] if peer else ""

    def send(self, message: Message, delivered: Done, refused: Told | None = None) -> Sent | None:
        granted = self._granted(self.session, message.topic)
        if granted is None or self.outbox is None:
            return None
        return self.outbox.send(message, min(message.qos, granted), delivered)

    def close(self, error: GatewayError) -> None:
        """Cut it off; MQTT 3.1.1 has no way to say why."""
        self.leave("cut_off")

    def leave(self, reason: Departure) -> None:
        self.writer.leave(reason)
        self.reader.resume()  # so that a paused reader sees the end

    def target(self, gate: Gate, topic: str) -> Target | None:
        """Return what becomes of its messages on this topic, None where it may not publish; raises
        `InvalidTopic`.
        """
        if topic in self._targets:
            return self._targets[topic]
        check_topic(topic)
        # What the server says of itself only the server says; of other $ topics the gate decides
        # [MQTT-4.7.2-1].
        target = None if topic.startswith("$SYS/") else gate.publishing(self.identity, topic)
        if len(self._targets) >= _TARGETS:
            self._targets.clear()
        self._targets[topic] = target
        return target

    def forget(self) -> None:
        self._targets.clear()
