"""The thinnest path, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.packets import (
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)

if TYPE_CHECKING:
    from .conftest import Bench


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_carries_a_message(bench: Bench, version: int) -> None:
    """A message goes from publisher to subscriber and to the gate, and is acknowledged."""
    subscriber = await bench.connect("s", version)
    assert isinstance(await subscriber.ask(Subscribe(1, (Subscription("a/+", 1),))), Suback)
    publisher = await bench.connect("p", version)
    assert await publisher.ask(Publish("a/b", b"one", 1, packet_id=7)) == Puback(7)
    received = await subscriber.read()
    assert isinstance(received, Publish)
    assert (received.topic, received.payload, received.qos, received.packet_id) == ("a/b", b"one", 1, 1)
    assert [message.topic for message in bench.gate.messages] == ["a/b"]
    assert isinstance(await publisher.ask(Pingreq()), Pingresp)
