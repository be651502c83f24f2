"""Keep-alive, PINGREQ, maximum packet size and topic aliases towards the client: the terms of a
connection (3.1.2).

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import (
    PINGREQ,
    PUBACK,
    answer,
    connect,
    length,
    packet,
    props,
    publish,
    subscribe,
    text,
    unsubscribe,
)

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Connack, Pingresp


async def test_mqtt_3_1_2_22_keep_alive(server, version):
    """[MQTT-3.1.2-22] [MQTT-3.2.2-22], in 3.1.1 [MQTT-3.1.2-24]: after one and a half times the
    keep-alive in silence the connection is ended as a lost one; any packet puts that off.
    """
    wire = await server.join(version, keep_alive=10)
    for _ in range(3):
        server.after(14)
        assert await wire.so_far() == []
    server.after(17)
    await wire.cut_off(0x8D)
    assert server.bench.departures() == ["keep_alive"]


async def test_mqtt_3_1_2_22_no_keep_alive(server, version):
    """[MQTT-3.1.2-22], in 3.1.1 [MQTT-3.1.2-24]: 0 turns it off."""
    wire = await server.join(version, keep_alive=0)
    server.after(1_000_000)
    assert await wire.so_far() == []


@pytest.mark.parametrize("size", range(30, 42))
async def test_mqtt_3_1_2_24_maximum_packet_size(server, size):
    """[MQTT-3.1.2-24] [MQTT-3.1.2-25]: a message that is larger is passed over, as if delivered,
    and others come.
    """
    wire = await server.join(5, properties=props(5, maximum_packet_size=size, receive_maximum=1))
    await wire.subscribe("t", options=1)
    source = await server.join(5, "source")
    for number in range(40):
        await source.publish("t", b"x" * number, number % 2)
    found = []
    while messages := await wire.messages():
        found += messages
        wire.send(*(answer(PUBACK, one.packet_id) for one in messages if one.qos))
    fitting = {
        b"x" * number
        for number in range(40)
        if len(packet(0x30, text("t"), b"\0\0" * (number % 2), b"\0", b"x" * number)) <= size
    }
    assert {one.payload for one in found} == fitting
    assert len(found) == len(fitting)


async def test_mqtt_3_1_2_24_a_connack_that_is_too_large(server):
    """[MQTT-3.1.2-24]: a client that does not take the CONNACK is turned away, with one that it
    takes or with none.
    """
    welcome = len(encode((await server.join(5)).connack, 5))
    for size, answers in (
        (1, []),
        (4, []),
        (5, [Connack(False, 0x95)]),
        (welcome - 1, [Connack(False, 0x95)]),
    ):
        wire = await server.dial(5)
        wire.send(connect(5, "small", properties=props(5, maximum_packet_size=size)))
        assert await wire.rest() == answers
    refused = await server.dial(5)
    refused.send(connect(5, "small", username="nobody", properties=props(5, maximum_packet_size=4)))
    assert await refused.rest() == []
    await server.join(5, "small", properties=props(5, maximum_packet_size=welcome))
    assert len(server.bench.broker.connections()) == 2


@pytest.mark.parametrize("ask", ["subscribe", "unsubscribe"])
async def test_mqtt_3_1_2_24_an_answer_that_is_too_large(server, ask):
    """[MQTT-3.1.2-24]: as many filters as the client takes codes for; with one more nothing
    changes, and it ends.
    """
    fields = {"maximum_packet_size": 40, "session_expiry_interval": 1000}
    wire = await server.join(5, clean=False, properties=props(5, **fields))
    names = [f"f{number}" for number in range(36)]
    for part in (names[:18], names[18:35]):
        await wire.subscribe(*part)
    fitting, larger = (
        subscribe(5, 1, *((name, 0) for name in many))
        if ask == "subscribe"
        else unsubscribe(5, 1, *many)
        for many in (names[:35], names)
    )
    wire.send(fitting)
    assert len((await wire.so_far())[0].reason_codes) == 35
    before = server.bench.count("subscriptions")
    wire.send(larger)
    await wire.cut_off(0x95)
    assert server.bench.count("subscriptions") == before


@pytest.mark.parametrize("qos", [0, 1])
async def test_mqtt_3_1_2_25_an_alias_makes_no_message_too_large(server, qos):
    """[MQTT-3.1.2-25]: a message that fits without a topic alias is sent."""
    wire = await server.join(5, properties=props(5, maximum_packet_size=40, topic_alias_maximum=5))
    await wire.subscribe("t", options=qos)
    whole = packet(0x30 | qos << 1, text("t"), b"\0\1" * qos, b"\0")
    source = await server.join(5, "source")
    await source.publish("t", b"x" * (40 - len(whole)), qos)
    assert len(await wire.messages()) == 1


async def test_mqtt_3_1_2_26_topic_aliases_of_the_server(server):
    """[MQTT-3.1.2-26] [MQTT-3.3.2-8] [MQTT-3.3.2-11]: aliases are 1 to the client's maximum and
    stand for a topic.
    """
    wire = await server.join(5, properties=props(5, topic_alias_maximum=2))
    await wire.subscribe("#", options=1)
    source = await server.join(5, "source")
    topics = ["a", "b", "c", "a", "b", "c"]
    for number, topic in enumerate(topics):
        await source.publish(topic, b"%d" % number, number % 2)
    known: dict[int, str] = {}
    found = []
    for message in await wire.messages():
        alias = message.properties.topic_alias
        assert alias in (None, 1, 2)
        if alias and message.topic:
            known[alias] = message.topic
        found.append(message.topic or known[alias])
    assert found == topics
    assert sorted(known) == [1, 2]


async def test_mqtt_3_1_2_27_no_topic_alias_unasked(server):
    """[MQTT-3.1.2-27]: without a maximum, or with 0, the server sends none."""
    for asked in ({}, {"topic_alias_maximum": 0}):
        wire = await server.join(5, properties=props(5, **asked))
        await wire.subscribe("t")
        for _ in range(3):
            for message in await wire.publish("t"):
                assert message.topic == "t"
                assert message.properties.topic_alias is None


async def test_mqtt_3_3_2_7_aliases_end_with_the_connection(server):
    """[MQTT-3.3.2-7]: on a new connection of the same session an alias stands for nothing, on
    either side.
    """
    asked = props(5, topic_alias_maximum=2, session_expiry_interval=100)
    wire = await server.join(5, clean=False, properties=asked)
    await wire.subscribe("t")
    wire.send(publish(5, "t", b"1", topic_alias=1), publish(5, "", b"2", topic_alias=1))
    assert [one.payload for one in await wire.messages()] == [b"1", b"2"]
    again = await server.join(5, clean=False, properties=asked)
    again.send(publish(5, "t", b"3"))
    assert [one.topic for one in await again.messages()] == ["t"]
    again.send(publish(5, "", b"4", topic_alias=1))
    await again.cut_off(0x82)


async def test_mqtt_3_12_4_1_pingreq(server, version):
    """[MQTT-3.12.4-1], in 3.1.1 [MQTT-3.12.4-1]: each PINGREQ has its PINGRESP."""
    wire = await server.join(version)
    wire.send(PINGREQ * 3)
    assert [await wire.read() for _ in range(3)] == [Pingresp()] * 3


@pytest.mark.parametrize("many", [0, 1, 127, 128, 16383, 16384])
async def test_lengths_of_every_size(server, version, many):
    """A message is the same whatever the number of bytes in its remaining length."""
    assert len(length(many)) == 1 + (many > 127) + (many > 16383)
    wire = await server.join(version)
    await wire.subscribe("t")
    found = await wire.publish("t", b"x" * many)
    assert [one.payload for one in found] == [b"x" * many]
