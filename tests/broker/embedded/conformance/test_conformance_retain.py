"""RETAIN (3.3.1.3) and the retain options of a subscription (3.8.3.1).

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import publish, subscribe

from gateway.broker.embedded.codec.packets import Puback

AS_PUBLISHED, IF_NEW, NEVER = 0x08, 0x10, 0x20


@pytest.fixture
async def source(server, version):
    """A client that publishes."""
    return await server.join(version, "source")


async def retained(
    server, version, *filters: str, client_id: str = "late"
) -> list[tuple[str, bytes, int, bool]]:
    """Return what a new subscriber gets."""
    wire = await server.join(version, client_id)
    wire.send(*(subscribe(version, 1, (one, 2)) for one in filters))
    return [(one.topic, one.payload, one.qos, one.retain) for one in await wire.messages()]


async def test_mqtt_3_3_1_5_a_message_is_retained(server, version, source):
    """[MQTT-3.3.1-5] [MQTT-3.3.1-9], in 3.1.1 [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    [MQTT-3.3.1-8]: the last one of each topic and its QoS, in place of the one before, is sent to a
    new subscription with RETAIN 1.
    """
    for qos in (0, 1, 2):
        await source.publish(f"t/{qos}", b"old", 2 - qos, retain=True)
        await source.publish(f"t/{qos}", b"%d" % qos, qos, retain=True)
    await source.publish("u", b"other", retain=True)
    found = await retained(server, version, "t/+")
    assert sorted(found) == [(f"t/{qos}", b"%d" % qos, qos, True) for qos in (0, 1, 2)]


async def test_mqtt_3_3_1_6_an_empty_message_removes(server, version, source):
    """[MQTT-3.3.1-6] [MQTT-3.3.1-7], in 3.1.1 [MQTT-3.3.1-10] [MQTT-3.3.1-11]: it is delivered as
    any, and takes the retained message away without becoming one.
    """
    wire = await server.join(version)
    await wire.subscribe("t")
    await source.publish("t", b"x", 1, retain=True)
    await source.publish("t", b"", 1, retain=True)
    assert [(one.payload, one.retain) for one in await wire.messages()] == [
        (b"x", False),
        (b"", False),
    ]
    assert await retained(server, version, "#") == []


async def test_mqtt_3_3_1_8_without_retain_nothing_changes(server, version, source):
    """[MQTT-3.3.1-8], in 3.1.1 [MQTT-3.3.1-12]: a message with RETAIN 0 neither stays nor
    replaces.
    """
    await source.publish("t", b"kept", 1, retain=True)
    await source.publish("t", b"passing", 1)
    await source.publish("t", b"", 1)
    assert [one[1] for one in await retained(server, version, "t")] == [b"kept"]


async def test_mqtt_3_3_1_9_again_for_the_same_filter(server, version, source):
    """[MQTT-3.3.1-9] [MQTT-3.8.4-4], in 3.1.1 [MQTT-3.3.1-6] [MQTT-3.8.4-3]: subscribed again, sent
    again.
    """
    await source.publish("t", b"x", retain=True)
    wire = await server.join(version)
    for _ in range(2):
        wire.send(subscribe(version, 1, ("t", 0)))
        assert await wire.payloads() == [b"x"]


async def test_mqtt_3_3_1_10_only_for_a_new_subscription(server):
    """[MQTT-3.3.1-10]: with retain handling 1 a filter that is held already brings nothing."""
    await (await server.join(5, "source")).publish("t", b"x", retain=True)
    wire = await server.join(5)
    for expected in ([b"x"], []):
        wire.send(subscribe(5, 1, ("t", IF_NEW)))
        assert await wire.payloads() == expected


async def test_mqtt_3_3_1_11_never(server):
    """[MQTT-3.3.1-11]: with retain handling 2 no subscription brings retained messages."""
    source = await server.join(5, "source")
    await source.publish("t", b"x", retain=True)
    wire = await server.join(5)
    wire.send(subscribe(5, 1, ("t", NEVER)))
    assert await wire.payloads() == []
    await source.publish("t", b"y", retain=True)
    assert await wire.payloads() == [b"y"]


async def test_mqtt_3_3_1_12_retain_of_a_forwarded_message(server, version, source):
    """[MQTT-3.3.1-12], in 3.1.1 [MQTT-3.3.1-9]: to a subscription that exists, RETAIN is 0."""
    wire = await server.join(version)
    await wire.subscribe("t", options=2)
    for qos in (0, 1, 2):
        await source.publish("t", b"x", qos, retain=True)
    assert [(one.qos, one.retain) for one in await wire.messages()] == [
        (0, False),
        (1, False),
        (2, False),
    ]


async def test_mqtt_3_3_1_13_retain_as_published(server):
    """[MQTT-3.3.1-13]: with retain as published, RETAIN is what the publisher set."""
    wire = await server.join(5)
    await wire.subscribe("t", options=AS_PUBLISHED | 2)
    source = await server.join(5, "source")
    for qos in (0, 1, 2):
        await source.publish("t", b"x", qos, retain=True)
        await source.publish("t", b"x", qos)
    assert [one.retain for one in await wire.messages()] == [True, False] * 3


async def test_retained_messages_of_many_filters(server, version, source):
    """[MQTT-3.3.1-9], in 3.1.1 [MQTT-3.3.1-6]: each filter of a SUBSCRIBE brings its own."""
    await source.publish("a", b"1", retain=True)
    await source.publish("b/c", b"2", retain=True)
    assert [one[1] for one in await retained(server, version, "a", "b/#", "x")] == [b"1", b"2"]


async def test_mqtt_3_3_1_5_a_message_is_retained_before_its_puback(server, version, source):
    """[MQTT-3.3.1-5], in 3.1.1 [MQTT-3.3.1-5]: who subscribes after the PUBACK gets it."""
    assert await source.publish("t", b"x", 1, retain=True) == [Puback(1)]
    assert [one[1] for one in await retained(server, version, "t")] == [b"x"]


async def test_mqtt_3_3_1_9_what_is_retained_but_not_stored_yet(server, version, source):
    """[MQTT-3.3.1-9] [MQTT-3.3.1-5], in 3.1.1 [MQTT-3.3.1-6] [MQTT-3.3.1-7]: who subscribes while
    the last message is being stored gets that one, not the one before.
    """
    await source.publish("t", b"old", retain=True)
    wire = await server.join(version)
    server.gate.hold = True
    source.send(publish(version, "t", b"new", retain=True))
    await server.bench.until(lambda: len(server.gate.messages) == 2)
    wire.send(subscribe(version, 1, ("t", 0)))
    await server.bench.until(lambda: server.bench.broker.statistics()["subscriptions"])
    server.gate.store()
    server.gate.hold = False
    assert await wire.payloads() == [b"new"]
