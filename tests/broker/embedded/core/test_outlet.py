"""What goes out to a client: bounds for one that does not read, packet sizes, aliases, expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Publish,
    Subscribe,
    Subscription,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.port import Message

if TYPE_CHECKING:
    from .conftest import Bench, Client


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(write_buffer=100_000, queue=50, in_flight=10)


async def deaf(bench: Bench, qos: int) -> Client:
    """Return a subscriber to `t` who reads nothing."""
    client = await bench.connect("deaf", clean_start=False)
    await bench.subscribe(client, "t", qos=qos)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    return client


def buffered(bench: Bench) -> int:
    """Return how much is buffered for the one connection."""
    (connection,) = bench.broker.connections()
    return connection.wire.sink.get_write_buffer_size()  # type: ignore[attr-defined, no-any-return]


async def test_qos_0_is_dropped_and_counted(bench: Bench) -> None:
    """A subscriber that does not read costs a bounded buffer; what it misses is counted, and it
    comes back.
    """
    client = await deaf(bench, 0)
    for _ in range(20_000):
        bench.broker.publish(Message("t", b"x" * 1000))
    assert buffered(bench) < 100_000 + 2_000
    dropped = bench.count("messages_dropped")
    assert dropped > 0
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(20_000 - dropped):
        assert isinstance(await client.read(), Publish)
    assert isinstance(await client.ask(Pingreq()), Pingresp)


async def test_qos_1_waits_in_a_bounded_queue(bench: Bench) -> None:
    """With QoS 1 the newest wait until the client reads and acknowledges, and the oldest are
    dropped and counted.
    """
    client = await deaf(bench, 1)
    for number in range(1_000):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    assert buffered(bench) < 100_000
    assert bench.count("messages_dropped") == 1_000 - 50 - 10
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    numbers = []
    while not numbers or numbers[-1] != 999:
        packet = await client.read()
        assert isinstance(packet, Publish)
        numbers.append(int(packet.payload))
        client.write(Puback(packet.packet_id))
    assert numbers == [*range(10), *range(950, 1000)]


async def test_the_clients_receive_maximum(bench: Bench) -> None:
    """[MQTT-3.3.4-9] No more is in flight than the client takes; an acknowledgement brings the
    next.
    """
    client = await bench.connect("c", 5, properties=Properties(receive_maximum=2))
    await bench.subscribe(client, "t", qos=1)
    for number in range(4):
        bench.broker.publish(Message("t", b"%d" % number, 1))
    first = [await client.read(), await client.read()]
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    assert isinstance(first[0], Publish)
    third = await client.ask(Puback(first[0].packet_id))
    assert isinstance(third, Publish)
    assert third.payload == b"2"


async def test_the_clients_packet_size(bench: Bench) -> None:
    """[MQTT-3.1.2-24] [MQTT-3.1.2-25] What is too large is passed over, as if it had been sent."""
    client = await bench.connect(
        "c", 5, properties=Properties(maximum_packet_size=50, receive_maximum=1)
    )
    await bench.subscribe(client, "t", qos=1)
    for qos in (0, 1):
        bench.broker.publish(Message("t", b"x" * 50, qos))
    bench.broker.publish(Message("t", b"small", 1))
    packet = await client.read()
    assert isinstance(packet, Publish)
    assert packet.payload == b"small"
    assert bench.count("messages_dropped") == 2


async def test_aliases_for_who_wants_them(bench: Bench) -> None:
    """A topic is sent once and its alias from then on, for as many topics as the client allows
    [MQTT-3.1.2-26].
    """
    client = await bench.connect("c", 5, properties=Properties(topic_alias_maximum=1))
    await bench.subscribe(client, "#", qos=1)
    for topic, qos in (("a", 0), ("a", 1), ("b", 0), ("b", 0), ("a", 0)):
        bench.broker.publish(Message(topic, b"", qos))
    packets = [await client.read() for _ in range(5)]
    seen = [
        (packet.topic, packet.properties.topic_alias)
        for packet in packets
        if isinstance(packet, Publish)
    ]
    assert seen == [("a", 1), ("", 1), ("b", None), ("b", None), ("", 1)]


async def test_an_expired_message_is_not_delivered(bench: Bench) -> None:
    """[MQTT-3.3.2-5] What has waited too long is dropped, what has not says how long it still has
    [MQTT-3.3.2-6].
    """
    client = await bench.connect(
        "c", 5, clean_start=False, properties=Properties(session_expiry_interval=100)
    )
    await bench.subscribe(client, "t", qos=1)
    client.write(Disconnect())
    await client.rest()
    sender = await bench.connect("sender", 5)
    for seconds in (5, 50):
        properties = Properties(message_expiry_interval=seconds)
        await sender.ask(Publish("t", b"%d" % seconds, 1, packet_id=1, properties=properties))
    bench.clock += 10
    client = await bench.connect(
        "c", 5, clean_start=False, properties=Properties(session_expiry_interval=100)
    )
    packet = await client.read()
    assert isinstance(packet, Publish)
    assert (packet.payload, packet.properties.message_expiry_interval) == (b"50", 40)
    assert bench.count("messages_expired") == 1


async def test_one_write_a_batch(bench: Bench) -> None:
    """What one read brings for a subscriber is written at once, not message by message."""
    subscriber = await bench.connect("s")
    await bench.subscribe(subscriber, "t")
    (connection,) = bench.broker.connections()
    writes: list[bytes] = []
    outlet = connection.peer.outlet  # type: ignore[attr-defined]

    class Spy:
        def write(self, data: bytes) -> None:
            writes.append(data)

    real, outlet._sink = outlet._sink, Spy()
    publisher = await bench.connect("p")
    await publisher.ask(
        *(Publish("t", b"x") for _ in range(100)), Publish("other", b"", 1, packet_id=1)
    )
    outlet._sink = real
    assert len(writes) == 1
    assert writes[0].count(b"\x30\x04\0\1tx") == 100


async def test_versions_get_their_own_form(bench: Bench) -> None:
    """One message goes out in the form of each subscriber's version."""
    clients = [await bench.connect(f"c{version}", version) for version in (3, 4, 5)]
    for client in clients:
        client.write(Subscribe(1, (Subscription("t"),)))
        await client.read()
    bench.broker.publish(Message("t", b"x"))
    assert [await client.read() for client in clients] == [Publish("t", b"x")] * 3
