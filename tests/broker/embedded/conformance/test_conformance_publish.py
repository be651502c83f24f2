"""Section 3.3: PUBLISH, and what of it reaches whom; retained messages have a module of their own.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import PUBACK, PUBREL, answer, disconnect, packet, props, publish, subscribe, text

from gateway.broker.embedded.codec.packets import Puback, Pubcomp, Publish, Pubrec, Suback

ALL = {
    "payload_format_indicator": 1,
    "content_type": "text/plain; charset=utf-8",
    "response_topic": "answer/here",
    "correlation_data": b"\0\xff" * 20,
    "user_property": (("b", "1"), ("a", "2"), ("b", "1"), ("", "")),
}


@pytest.mark.parametrize("qos", [1, 2])
async def test_mqtt_3_3_1_1_dup_of_a_redelivery(server, version, qos):
    """[MQTT-3.3.1-1] [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2], in 3.1.1 [MQTT-3.3.1-1]
    [MQTT-3.3.1-3] [MQTT-4.3.2-1] [MQTT-4.3.3-1]: what is sent first has DUP 0, whatever the
    publisher's; what is sent again has 1.
    """
    wire = await server.join(version, keep=True)
    await wire.subscribe("t", options=qos)
    await (await server.join(version, "source")).publish("t", b"x", qos, dup=True)
    first = await wire.get(Publish)
    wire.abort()
    again = await server.join(version, keep=True)
    second = await again.get(Publish)
    assert (first.dup, second.dup) == (False, True)
    assert (first.packet_id, first.payload) == (second.packet_id, second.payload)


async def test_mqtt_3_3_1_2_no_dup_with_qos_0(server, version):
    """[MQTT-3.3.1-2] [MQTT-4.3.1-1], in 3.1.1 [MQTT-3.3.1-2] [MQTT-4.3.1-1]: QoS 0 has DUP 0, both
    ways.
    """
    wire = await server.join(version)
    await wire.subscribe("t")
    wire.send(publish(version, "t", b"x", 1, dup=True))
    assert [(one.qos, one.dup) for one in await wire.messages()] == [(0, False)]
    wire.send(publish(version, "t", dup=True))
    await wire.cut_off(0x81)


async def test_mqtt_3_3_1_4_no_qos_3(server, version):
    """[MQTT-3.3.1-4], in 3.1.1 [MQTT-3.3.1-4]: both QoS bits end the connection."""
    wire = await server.join(version)
    wire.send(packet(0x36, text("t"), b"\0\1", props(version)))
    await wire.cut_off(0x81)


async def test_mqtt_3_3_2_1_topic_name(server, version):
    """[MQTT-3.3.2-1], in 3.1.1 [MQTT-3.3.2-1]: the topic is the first field, and UTF-8."""
    for data in (packet(0x30), packet(0x30, b"\0\5abc"), publish(version, b"\xc3\x28")):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x81)


@pytest.mark.parametrize("topic", ["a/+", "#", "a/#", "a+b", "+"])
async def test_mqtt_3_3_2_2_no_wildcard_in_a_topic(server, version, topic):
    """[MQTT-3.3.2-2] [MQTT-4.7.0-1], in 3.1.1 [MQTT-3.3.2-2] [MQTT-4.7.1-1]: a wildcard in a topic
    ends it.
    """
    wire = await server.join(version)
    wire.send(publish(version, topic, b"x", 1))
    await wire.cut_off(0x90)
    assert server.gate.messages == []


async def test_mqtt_3_3_2_3_the_topic_matches(server, version):
    """[MQTT-3.3.2-3], in 3.1.1 [MQTT-3.3.2-3]: a subscriber gets the topic that was published."""
    wire = await server.join(version)
    await wire.subscribe("a/+/c")
    for topic in ("a/b/c", "a/b", "a/b/c/d", "a//c", "A/b/c"):
        await wire.publish(topic, topic.encode())
    source = await server.join(version, "source")
    await source.publish("a/x/c")
    assert [one.topic for one in await wire.messages()] == ["a/x/c"]
    assert [one.topic for one in server.gate.messages] == [
        "a/b/c",
        "a/b",
        "a/b/c/d",
        "a//c",
        "A/b/c",
        "a/x/c",
    ]


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mqtt_3_3_2_4_properties_travel(server, qos):
    """[MQTT-3.3.2-4] [MQTT-3.3.2-13] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17]
    [MQTT-3.3.2-18] [MQTT-3.3.2-19] [MQTT-3.3.2-20]: format, response topic, correlation data, user
    properties in order and content type, unaltered.
    """
    wire = await server.join(5)
    await wire.subscribe("t", options=2)
    await (await server.join(5, "source")).publish("t", b"x", qos, **ALL)
    (message,) = await wire.messages()
    assert {name: getattr(message.properties, name) for name in ALL} == ALL


async def test_properties_of_retained_and_queued_messages_travel(server):
    """[MQTT-3.3.2-4] [MQTT-3.3.2-17]: they stay with a message that is kept."""
    wire = await server.join(5, keep=True)
    await wire.subscribe("t", options=1)
    wire.send(disconnect(5))
    await wire.rest()
    await (await server.join(5, "source")).publish("t", b"x", 1, retain=True, **ALL)
    again = await server.join(5, keep=True)
    again.send(subscribe(5, 1, ("t", 0)))
    queued, retained = await again.messages()
    assert (queued.retain, retained.retain) == (False, True)
    for message in (queued, retained):
        assert {name: getattr(message.properties, name) for name in ALL} == ALL


async def test_mqtt_3_3_2_5_an_expired_message_is_deleted(server):
    """[MQTT-3.3.2-5] [MQTT-3.3.2-6]: a copy that has waited too long is not sent; another says what
    is left to it.
    """
    wire = await server.join(5, keep=True)
    await wire.subscribe("t", options=2)
    wire.send(disconnect(5))
    await wire.rest()
    source = await server.join(5, "source")
    for seconds in (1, 6):
        for qos in (1, 2):
            await source.publish("t", b"%d" % seconds, qos, message_expiry_interval=seconds)
    await source.publish("kept", b"1", retain=True, message_expiry_interval=1)
    await source.publish("kept/6", b"6", retain=True, message_expiry_interval=6)
    server.after(2)
    again = await server.join(5, keep=True)
    await_first = await again.messages()
    assert [(one.payload, one.properties.message_expiry_interval) for one in await_first] == [
        (b"6", 4)
    ] * 2
    again.send(subscribe(5, 1, ("kept/#", 0)))
    assert [
        (one.payload, one.properties.message_expiry_interval) for one in await again.messages()
    ] == [(b"6", 4)]


@pytest.mark.parametrize("qos", [1, 2])
async def test_mqtt_3_3_2_5_expired_behind_a_full_window(server, qos):
    """[MQTT-3.3.2-5]: a connected client's message expires too while it waits for the receive
    maximum, and those after it come in its place.
    """
    wire = await server.join(5, properties=props(5, receive_maximum=1))
    await wire.subscribe("t", options=qos)
    source = await server.join(5, "source")
    await source.publish("t", b"first", qos)
    await source.publish("t", b"expires", qos, message_expiry_interval=1)
    await source.publish("t", b"last", qos, message_expiry_interval=60)
    first = await wire.get(Publish)
    server.after(2)
    wire.send(
        *(answer(kind, first.packet_id) for kind in ((PUBACK,) if qos == 1 else (0x50, 0x70)))
    )
    (last,) = await wire.messages()
    assert (last.payload, last.properties.message_expiry_interval) == (b"last", 58)


@pytest.mark.parametrize(("alias", "reason"), [(0, 0x94), (5, 0x94), (65535, 0x94), (4, 0x82)])
async def test_mqtt_3_3_2_9_topic_alias_maximum(server, alias, reason):
    """[MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.2.2-17]: 0, above the maximum or not set yet ends
    it.
    """
    wire = await server.join(5)
    wire.send(
        publish(5, "" if reason == 0x82 else "t", b"x", raw=b"\x23" + alias.to_bytes(2, "big"))
    )
    await wire.cut_off(reason)


async def test_mqtt_3_3_2_12_topic_aliases_of_the_client(server):
    """[MQTT-3.3.2-12]: every alias up to the server's maximum stands for the topic it was given
    last.
    """
    wire = await server.join(5)
    await wire.subscribe("#")
    for alias in range(1, 5):
        wire.send(publish(5, f"t/{alias}", topic_alias=alias))
    for alias in range(1, 5):
        wire.send(publish(5, "", b"", 1, alias, topic_alias=alias))
    wire.send(publish(5, "new", topic_alias=2), publish(5, "", topic_alias=2))
    topics = [one.topic for one in await wire.messages()]
    assert topics == ["t/1", "t/2", "t/3", "t/4"] * 2 + ["new", "new"]


async def test_no_topic_and_no_alias(server, version):
    """[MQTT-4.7.3-1], in 3.1.1 [MQTT-4.7.3-1]: a PUBLISH without a topic ends the connection."""
    wire = await server.join(version)
    wire.send(publish(version, "", b"x"))
    await wire.cut_off(0x82)


@pytest.mark.parametrize("topic", ["a/+", "#"])
async def test_mqtt_3_3_2_14_no_wildcard_in_a_response_topic(server, topic):
    """[MQTT-3.3.2-14]: a response topic is a topic name."""
    wire = await server.join(5)
    wire.send(publish(5, "t", response_topic=topic))
    await wire.cut_off(0x90)


async def test_mqtt_3_3_4_1_answers_by_qos(server, version):
    """[MQTT-3.3.4-1], in 3.1.1 [MQTT-3.3.4-1]: nothing for QoS 0, PUBACK for 1, PUBREC and PUBCOMP
    for 2.
    """
    wire = await server.join(version)
    assert await wire.publish("t", qos=0) == []
    assert await wire.publish("t", qos=1) == [Puback(1)]
    assert await wire.publish("t", qos=2) == [Pubrec(1), Pubcomp(1)]


async def test_mqtt_3_3_4_2_overlapping_subscriptions(server, version):
    """[MQTT-3.3.4-2], in 3.1.1 [MQTT-3.3.5-1]: the greatest QoS of the subscriptions that match."""
    wire = await server.join(version)
    for topic_filter, qos in (("t/#", 0), ("t/+", 2), ("t/1", 1), ("#", 0)):
        await wire.subscribe(topic_filter, options=qos)
    await (await server.join(version, "source")).publish("t/1", b"x", 2)
    assert [one.qos for one in await wire.messages()] == [2]


async def test_mqtt_3_3_4_3_subscription_identifiers(server):
    """[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]: one copy has the identifiers of all that
    match.
    """
    wire = await server.join(5)
    for topic_filter, number in (("t/#", 1), ("t/+", 268_435_455), ("u", 3)):
        await wire.subscribe(topic_filter, subscription_identifier=(number,))
    await wire.subscribe("t/1")
    (message,) = await wire.publish("t/1")
    assert sorted(message.properties.subscription_identifier) == [1, 268_435_455]
    await wire.subscribe("t/#", subscription_identifier=(7,))
    await wire.subscribe("t/+")
    (message,) = await wire.publish("t/1")
    assert message.properties.subscription_identifier == (7,)


async def test_mqtt_3_3_4_3_subscription_identifiers_of_retained(server):
    """[MQTT-3.3.4-3]: a retained message has the identifier of the subscription that it is sent
    for.
    """
    wire = await server.join(5)
    await wire.publish("t", b"x", retain=True)
    wire.send(subscribe(5, 1, ("#", 0), subscription_identifier=(1,)))
    wire.send(subscribe(5, 2, ("t", 0), subscription_identifier=(2,)))
    assert [one.properties.subscription_identifier for one in await wire.messages()] == [(1,), (2,)]


async def test_mqtt_3_3_4_6_no_subscription_identifier_from_a_client(server):
    """[MQTT-3.3.4-6]: a PUBLISH with one is a protocol error."""
    wire = await server.join(5)
    wire.send(publish(5, "t", subscription_identifier=(1,)))
    await wire.cut_off(0x82)


@pytest.mark.parametrize("qos", [1, 2])
async def test_mqtt_3_3_4_7_receive_maximum_of_the_server(server, qos):
    """[MQTT-3.3.4-7]: more unanswered messages than announced end the connection with 0x93; as many
    are taken.
    """
    server.gate.hold = qos == 1
    wire = await server.join(5)
    wire.send(*(publish(5, "t", b"x", qos, number) for number in range(1, 5)))
    await server.bench.until(lambda: len(server.gate.messages) == 4)
    wire.send(publish(5, "t", b"x", qos, 5))
    last = await wire.rest()
    assert last[-1].reason_code == 0x93
    assert len(server.gate.messages) == 4
    server.gate.store()


async def test_mqtt_3_3_4_7_answered_messages_do_not_count(server):
    """[MQTT-3.3.4-7]: PUBACK and PUBCOMP give the client its quota back, and a repeated PUBLISH
    takes none.
    """
    wire = await server.join(5)
    for number in range(1, 10):
        await wire.publish("t", b"x", 1, number)
        await wire.publish("t", b"x", 2, number)
    for _ in range(6):
        wire.send(publish(5, "t", b"x", 2, 1, dup=True))
    assert await wire.so_far() == [Pubrec(1)] * 6


async def test_mqtt_3_3_4_9_receive_maximum_of_the_client(server):
    """[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]: no more in flight than the client takes; PUBACK
    and PUBCOMP make room, and so does a PUBREC with an error.
    """
    wire = await server.join(5, properties=props(5, receive_maximum=2))
    await wire.subscribe("t", options=2)
    source = await server.join(5, "source")
    for number in range(6):
        await source.publish("t", b"%d" % number, 1 + number % 2)
    first, second = await wire.messages()
    assert (first.payload, second.payload) == (b"0", b"1")
    wire.send(answer(PUBACK, first.packet_id))
    (third,) = await wire.messages()
    wire.send(answer(0x50, second.packet_id))
    assert await wire.messages() == []  # released, and still in flight
    wire.send(answer(0x70, second.packet_id))
    (fourth,) = await wire.messages()
    assert (third.payload, fourth.payload) == (b"2", b"3")
    wire.send(answer(0x50, fourth.packet_id, 0x80))
    assert await wire.payloads() == [b"4"]


async def test_mqtt_3_3_4_10_other_packets_at_the_quota(server):
    """[MQTT-3.3.4-10] [MQTT-4.9.0-3]: with its quota used up the server still answers, and sends
    QoS 0.
    """
    wire = await server.join(5, properties=props(5, receive_maximum=1))
    await wire.subscribe("t", options=1)
    source = await server.join(5, "source")
    for number in range(3):
        await source.publish("t", b"%d" % number, 1)
    assert await wire.payloads() == [b"0"]
    wire.send(
        publish(5, "u", b"", 1, 9),
        publish(5, "u", b"", 2, 8),
        answer(PUBREL, 8),
        subscribe(5, 7, ("v", 0)),
    )
    kinds = {type(one) for one in await wire.so_far()}
    assert kinds == {Puback, Pubrec, Pubcomp, Suback}
    await source.publish("t", b"now", 0)
    assert await wire.payloads() == [b"now"]


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mqtt_3_4_2_1_a_message_that_is_refused(server, version, qos):
    """[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-4.3.3-9], in 3.1.1 [MQTT-3.3.5-2]: MQTT 5 says 0x87;
    3.1.1 acknowledges.
    """
    wire = await server.join(version)
    wire.send(publish(version, "forbidden/t", b"x", qos, 3))
    code = 0x87 if version == 5 else 0
    assert await wire.so_far() == [[], [Puback(3, code)], [Pubrec(3, code)]][qos]
    assert server.gate.messages == []
    wire.send(publish(version, "t", b"x", 2, 3), answer(PUBREL, 3))
    assert await wire.so_far() == [Pubrec(3), Pubcomp(3)]
    assert len(server.gate.messages) == 1


async def test_mqtt_3_6_2_1_unknown_packet_ids(server, version):
    """[MQTT-3.6.2-1] [MQTT-3.7.2-1], in 3.1.1 [MQTT-4.3.3-2]: PUBREC and PUBREL for nothing are
    answered, with 0x92 in MQTT 5; PUBACK and PUBCOMP for nothing are passed over.
    """
    wire = await server.join(version)
    wire.send(answer(0x50, 5), answer(PUBREL, 6), answer(PUBACK, 7), answer(0x70, 8))
    code = 0x92 if version == 5 else 0
    assert [(one.packet_id, one.reason_code) for one in await wire.so_far()] == [
        (5, code),
        (6, code),
    ]


@pytest.mark.parametrize(
    ("first", "reason"), [(0x40, 0x92), (0x50, 0x92), (0x62, 0x10), (0x70, 0x80), (0x40, 1)]
)
async def test_mqtt_3_4_2_1_reason_codes_out_of_place(server, first, reason):
    """[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]: a reason code of another packet
    ends it.
    """
    wire = await server.join(5)
    wire.send(answer(first, 1, reason))
    await wire.cut_off(0x82)
