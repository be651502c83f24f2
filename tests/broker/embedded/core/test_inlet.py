"""What a client sends, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Auth,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
)
from gateway.broker.embedded.core.limits import Limits
from gateway.broker.port import Properties as Travelling
from gateway.broker.port import Room, Target

if TYPE_CHECKING:
    from .conftest import Bench


@pytest.fixture
def limits() -> Limits:
    """Small bounds."""
    return Limits(receive_maximum=3, topic_aliases=4, publications=2, packet_size=1000)


def payloads(bench: Bench) -> list[bytes]:
    """Return what the gate was given."""
    return [message.payload for message in bench.gate.messages]


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("size", [0, 1, 100, 120, 130, 900])
async def test_any_split_is_the_same_stream(bench: Bench, version: int, size: int) -> None:
    """Packets that come a byte at a time, or many in one read, make the same messages."""
    client = await bench.connect("c", version)
    packets = [
        Publish(f"t/{number}", b"x" * size, number % 2, packet_id=number % 2) for number in range(6)
    ]
    stream = b"".join(encode(packet, version) for packet in packets)
    for byte in stream:
        client.write(bytes((byte,)))
        await client.writer.drain()
    answers = [await client.read() for _ in range(3)]
    client.write(stream)
    answers += [await client.read() for _ in range(3)]
    assert answers == [Puback(1)] * 6
    found = [(message.topic, message.payload, message.qos) for message in bench.gate.messages]
    assert found == [(packet.topic, packet.payload, packet.qos) for packet in packets * 2]


async def test_properties_travel(bench: Bench) -> None:
    """What MQTT 5 sends along comes out at the gate and at a subscriber."""
    properties = Properties(
        payload_format_indicator=1,
        message_expiry_interval=60,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\0\1",
        user_property=(("a", "1"), ("a", "2")),
    )
    subscriber = await bench.connect("s", 5)
    await bench.subscribe(subscriber, "t")
    publisher = await bench.connect("p", 5)
    publisher.write(Publish("t", b"x", properties=properties))
    received = await subscriber.read()
    assert isinstance(received, Publish)
    assert received.properties == properties
    sent = Travelling(1, 60, "text/plain", "r", b"\0\1", (("a", "1"), ("a", "2")))
    assert bench.gate.messages[0].properties == sent


@pytest.mark.parametrize("version", [4, 5])
async def test_what_is_not_permitted_is_dropped(bench: Bench, version: int) -> None:
    """MQTT 5 is told so, earlier versions get their acknowledgement; nobody is disconnected."""
    client = await bench.connect("c", version)
    client.write(Publish("forbidden/a", b"x"))
    code = 0x87 if version == 5 else 0
    assert await client.ask(Publish("forbidden/a", b"x", 1, packet_id=1)) == Puback(1, code)
    assert await client.ask(Publish("forbidden/a", b"x", 2, packet_id=2)) == Pubrec(2, code)
    assert bench.gate.messages == []
    assert bench.count("messages_refused") == 3
    assert isinstance(await client.ask(Pingreq()), Pingresp)


async def test_an_alias_stands_for_its_topic(bench: Bench) -> None:
    """A topic alias is set, used, set anew, and survives a change of permissions."""
    client = await bench.connect("c", 5)
    aliased = Properties(topic_alias=2)
    client.write(Publish("a", b"1", properties=aliased), Publish("", b"2", properties=aliased))
    client.write(Publish("b", b"3", properties=aliased))
    await client.ask(Pingreq())
    bench.broker.forget()
    await client.ask(Publish("", b"4", 1, packet_id=1, properties=aliased))
    assert [message.topic for message in bench.gate.messages] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(("topic", "alias", "code"), [("a", 5, 0x94), ("", 1, 0x82)])
async def test_a_wrong_alias_ends_the_connection(
    bench: Bench, topic: str, alias: int, code: int
) -> None:
    """An alias above the bound, and one that stands for nothing, are errors [MQTT-3.3.2-9]."""
    client = await bench.connect("c", 5)
    assert await client.ask(
        Publish(topic, b"", properties=Properties(topic_alias=alias))
    ) == Disconnect(code)


async def test_exactly_once(bench: Bench) -> None:
    """A QoS 2 message that is repeated before its PUBREL is handed on once, and after it is another
    one.
    """
    client = await bench.connect("c", 5)
    assert await client.ask(Publish("t", b"1", 2, packet_id=9)) == Pubrec(9)
    assert await client.ask(Publish("t", b"1", 2, dup=True, packet_id=9)) == Pubrec(9)
    assert payloads(bench) == [b"1"]
    assert await client.ask(Pubrel(9)) == Pubcomp(9)
    assert await client.ask(Pubrel(9)) == Pubcomp(9, 0x92)
    assert await client.ask(Publish("t", b"2", 2, packet_id=9)) == Pubrec(9)
    assert payloads(bench) == [b"1", b"2"]


@pytest.mark.parametrize("qos", [1, 2])
async def test_more_than_the_receive_maximum_ends_the_connection(bench: Bench, qos: int) -> None:
    """[MQTT-3.3.4-7] Three are taken in, the fourth is one too many."""
    bench.gate.hold = qos == 1
    client = await bench.connect("c", 5, clean_start=True) if qos == 2 else await _held(bench)
    client.write(*(Publish("t", b"%d" % number, qos, packet_id=number) for number in range(1, 5)))
    answers = await client.rest()
    assert answers[-1] == Disconnect(0x93)
    assert payloads(bench) == [b"1", b"2", b"3"]


async def _held(bench: Bench):  # type: ignore[no-untyped-def]
    bench.gate.hold = False
    client = await bench.connect("c", 5)
    bench.gate.hold = True
    return client


async def test_acknowledged_ones_do_not_count(bench: Bench) -> None:
    """The receive maximum is about what is in flight, not about all there ever was."""
    client = await bench.connect("c", 5)
    for number in range(1, 20):
        assert await client.ask(Publish("t", b"", 1, packet_id=number)) == Puback(number)


async def test_an_acknowledgement_means_stored(bench: Bench) -> None:
    """PUBACK, PUBREC and the subscribers' copies wait for the gate."""
    subscriber = await bench.connect("s", 4)
    await bench.subscribe(subscriber, "t")
    client = await bench.connect("p", 4)
    bench.gate.hold = True
    client.write(Publish("t", b"1", 1, packet_id=1), Publish("t", b"2", 2, packet_id=2), Pingreq())
    assert isinstance(await client.read(), Pingresp)  # before: nothing else has come
    assert len(bench.gate.messages) == 2
    bench.gate.store()
    assert [await client.read(), await client.read()] == [Puback(1), Pubrec(2)]
    received = [await subscriber.read() for _ in range(2)]
    assert [getattr(packet, "payload", None) for packet in received] == [b"1", b"2"]


async def test_a_connection_that_has_gone_does_not_matter(bench: Bench) -> None:
    """What was accepted is delivered although its sender is not there to be told."""
    subscriber = await bench.connect("s", 4)
    await bench.subscribe(subscriber, "t")
    client = await bench.connect("p", 4)
    bench.gate.hold = True
    client.write(Publish("t", b"1", 1, packet_id=1))
    await bench.until(lambda: bench.gate.waiting)
    await client.close()
    await bench.until(lambda: bench.departures() == ["lost"])
    bench.gate.store()
    received = await subscriber.read()
    assert getattr(received, "payload", None) == b"1"


async def test_a_route_decides_what_is_retained(bench: Bench) -> None:
    """A target's retain takes the place of the message's flag."""
    bench.gate.target = Target(records=False, retain=True)
    client = await bench.connect("c", 5)
    await client.ask(Publish("t", b"1", 1, packet_id=1))
    assert bench.count("retained") == 13  # with the twelve of $SYS


async def test_the_cache_of_topics_is_bounded(bench: Bench) -> None:
    """A client that publishes on ever new topics is served, and fills no memory."""
    client = await bench.connect("c", 4)
    for number in range(1, 50):
        await client.ask(Publish(f"t/{number}", b"", 1, packet_id=number))
    (connection,) = bench.broker.connections()
    assert len(connection._inlet._publications) <= 2  # type: ignore[attr-defined]
    assert len(bench.gate.messages) == 49


async def test_a_packet_that_is_too_large_ends_the_connection(bench: Bench) -> None:
    """The length alone is enough; the rest of the packet is not waited for."""
    client = await bench.connect("c", 5)
    client.write(b"\x30\xff\xff\x03")
    assert await client.read() == Disconnect(0x95)


async def test_a_hub_has_room_for_larger_packets(bench: Bench) -> None:
    """CONNACK says so to MQTT 5 clients; others keep the bound of all."""
    bench.gate.rooms["device:hub"] = Room(packet_size=5000)
    hub, answer = await bench.try_connect("hub", 5, "hub")
    assert answer.properties.maximum_packet_size == 5000
    await hub.ask(Publish("t", b"x" * 4000, 1, packet_id=1))
    assert len(bench.gate.messages[-1].payload) == 4000
    hub.write(Publish("t", b"x" * 6000, 1, packet_id=2))
    assert await hub.read() == Disconnect(0x95)
    other = await bench.connect("other", 5)
    other.write(Publish("t", b"x" * 4000, 1, packet_id=1))
    assert await other.read() == Disconnect(0x95)


async def test_what_came_before_an_error_counts(bench: Bench) -> None:
    """A message is accepted and answered although a broken packet follows in the same read."""
    client = await bench.connect("c", 5)
    client.write(Publish("t", b"1", 1, packet_id=1), b"\xff\0")
    assert await client.rest() == [Puback(1), Disconnect(0x81)]
    assert payloads(bench) == [b"1"]


async def test_auth_has_no_place(bench: Bench) -> None:
    """Without a method at CONNECT an AUTH is a protocol error."""
    client = await bench.connect("c", 5)
    assert await client.ask(Auth(0x19, Properties(authentication_method="x"))) == Disconnect(0x82)


async def test_nothing_after_disconnect(bench: Bench) -> None:
    """[MQTT-3.14.4-1] What follows a DISCONNECT in the same read is not looked at."""
    client = await bench.connect("c", 5)
    client.write(Publish("t", b"1"), Disconnect(0, EMPTY), Publish("t", b"2"))
    assert await client.rest() == []
    assert payloads(bench) == [b"1"]
    assert bench.departures() == ["goodbye"]
