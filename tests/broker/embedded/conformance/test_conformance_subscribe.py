"""Sections 3.8 to 3.11: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import (
    PUBACK,
    PUBCOMP,
    answer,
    disconnect,
    packet,
    props,
    publish,
    subscribe,
    text,
    two,
    unsubscribe,
)

from gateway.broker.embedded.codec.packets import Puback, Publish, Pubrel, Suback, Unsuback

NO_LOCAL = 0x04


async def test_mqtt_3_8_3_1_filters_are_utf8(server, version):
    """[MQTT-3.8.3-1] [MQTT-3.10.3-1], in 3.1.1 [MQTT-3.8.3-1] [MQTT-3.10.3-1]: a filter that is not
    ends it.
    """
    for data in (
        subscribe(version, 1, ("a", 0), (b"\xff", 0)),
        unsubscribe(version, 1, "a", b"\xff"),
    ):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x81)


async def test_mqtt_3_8_3_2_at_least_one_filter(server, version):
    """[MQTT-3.8.3-2] [MQTT-3.10.3-2], in 3.1.1 [MQTT-3.8.3-3] [MQTT-3.10.3-2]: a request without a
    filter ends it.
    """
    for data in (subscribe(version, 1), unsubscribe(version, 1)):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x82)


async def test_mqtt_3_8_3_2_wildcards_are_supported(server):
    """In 3.1.1 [MQTT-3.8.3-2]: filters with wildcards are granted."""
    wire = await server.join(4)
    assert await wire.subscribe("a/+", "#", "+/b/#", options=2) == (2, 2, 2)


async def test_mqtt_3_8_3_2_options_are_all_there(server, version):
    """[MQTT-3.8.3-2], in 3.1.1 [MQTT-3.8.3-3]: a filter without its options ends the connection."""
    wire = await server.join(version)
    wire.send(packet(0x82, two(1), props(version), text("a"), b"\0", text("b")))
    await wire.cut_off(0x81)


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mqtt_3_8_3_3_no_local(server, qos):
    """[MQTT-3.8.3-3]: what a client publishes does not come back to it, on any connection; others
    get it.
    """
    wire = await server.join(5, keep=True)
    await wire.subscribe("t", options=NO_LOCAL | qos)
    other = await server.join(5, "other")
    await other.subscribe("t", options=NO_LOCAL | qos)
    wire.send(publish(5, "t", b"mine", qos))
    assert await wire.messages() == []
    assert await other.payloads() == [b"mine"]
    again = await server.join(5, keep=True)
    again.send(publish(5, "t", b"mine too", qos))
    assert await again.messages() == []
    await other.publish("t", b"theirs", qos)
    assert await again.payloads() == [b"theirs"]


async def test_mqtt_3_8_3_4_no_local_on_a_shared_subscription(server):
    """[MQTT-3.8.3-4]: it is a protocol error."""
    wire = await server.join(5)
    wire.send(subscribe(5, 1, ("$share/g/t", NO_LOCAL)))
    await wire.cut_off(0x82)


@pytest.mark.parametrize("options", [3, 0x30, 0x33, 0x40, 0x80, 0xC0, 0x04, 0x08, 0x10, 0xFF])
async def test_mqtt_3_8_3_5_options(server, version, options):
    """[MQTT-3.8.3-5], in 3.1.1 [MQTT-3-8.3-4]: reserved bits, QoS 3 and retain handling 3 end the
    connection.
    """
    wire = await server.join(version)
    wire.send(subscribe(version, 1, ("t", options)))
    if version == 5 and options in (0x04, 0x08, 0x10):
        assert await wire.so_far() == [Suback(1, (0,))]
    elif version == 5:
        await wire.cut_off(0x81 if options & 0xC0 else 0x82)
    else:
        await wire.cut_off(0x81)


async def test_mqtt_3_8_4_1_suback(server, version):
    """[MQTT-3.8.4-1] [MQTT-3.8.4-2], in 3.1.1 [MQTT-3.8.4-1] [MQTT-3.8.4-2]: each SUBSCRIBE has its
    SUBACK.
    """
    wire = await server.join(version)
    wire.send(*(subscribe(version, number, ("t", number % 3)) for number in range(1, 6)))
    assert await wire.so_far() == [Suback(number, (number % 3,)) for number in range(1, 6)]


async def test_mqtt_3_8_4_3_a_subscription_is_replaced(server, version):
    """[MQTT-3.8.4-3] [MQTT-3.8.4-4], in 3.1.1 [MQTT-3.8.4-3]: with the same filter there is one
    subscription, the new one, and no message is lost between them.
    """
    wire = await server.join(version)
    source = await server.join(version, "source")
    await wire.subscribe("t", options=2)
    server.gate.hold = True
    source.send(publish(version, "t", b"between", 1))
    await server.bench.until(lambda: server.gate.messages)
    wire.send(subscribe(version, 1, ("t", 1)))
    server.gate.hold = False
    await server.bench.until(lambda: server.bench.broker.statistics()["subscriptions"] == 1)
    server.gate.store()
    assert await wire.payloads() == [b"between"]
    await source.publish("t", b"x", 2)
    assert [one.qos for one in await wire.messages()] == [1]


async def test_mqtt_3_8_4_5_many_filters(server, version):
    """[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2], in 3.1.1
    [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2]: one SUBACK with a code for each
    filter in order, the granted QoS or why there is none.
    """
    wire = await server.join(version)
    wire.send(
        subscribe(
            version,
            1,
            ("a", 2),
            ("forbidden/b", 1),
            ("c", 0),
            ("a", 1),
            ("$share/g/forbidden/b", 0),
        )
    )
    no = 0x87 if version == 5 else 0x80
    assert await wire.so_far() == [Suback(1, (2, no, 0, 1, no))]
    await wire.publish("c", b"x", 1)
    source = await server.join(version, "source")
    await source.publish("a", b"y", 2)
    assert [(one.payload, one.qos) for one in await wire.messages()] == [(b"y", 1)]


@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("sent", [0, 1, 2])
async def test_mqtt_3_8_4_8_the_lesser_qos(server, version, granted, sent):
    """[MQTT-3.8.4-8], in 3.1.1 [MQTT-3.8.4-6]: the lesser of the published and the granted QoS."""
    wire = await server.join(version)
    assert await wire.subscribe("t", options=granted) == (granted,)
    await (await server.join(version, "source")).publish("t", b"x", sent)
    assert [one.qos for one in await wire.messages()] == [min(granted, sent)]


async def test_mqtt_3_10_4_1_filters_are_compared_by_character(server, version):
    """[MQTT-3.10.4-1] [MQTT-3.10.4-5] [MQTT-3.11.3-1] [MQTT-3.11.3-2], in 3.1.1 [MQTT-3.10.4-1]
    [MQTT-3.10.4-5]: only an equal filter goes; UNSUBACK comes for any, in MQTT 5 with a code for
    each in order.
    """
    wire = await server.join(version)
    await wire.subscribe("a/+", "a/b", "$share/g/a/b")
    wire.send(unsubscribe(version, 5, "a/#", "a/b", "A/b", "$share/h/a/b", "a/b", "$share/g/a/b"))
    codes = (0x11, 0, 0x11, 0x11, 0x11, 0) if version == 5 else ()
    assert await wire.so_far() == [Unsuback(5, codes)]
    assert len(await wire.publish("a/b")) == 1


async def test_mqtt_3_10_4_2_no_new_messages(server, version):
    """[MQTT-3.10.4-2] [MQTT-3.10.4-6] [MQTT-3.10.4-4], in 3.1.1 [MQTT-3.10.4-2] [MQTT-3.10.4-4]
    [MQTT-3.10.4-6]: after one UNSUBACK for all its filters, nothing new comes.
    """
    wire = await server.join(version)
    await wire.subscribe("a", "b", "c", options=1)
    wire.send(unsubscribe(version, 6, "a", "b"))
    (found,) = await wire.so_far()
    assert found.packet_id == 6
    source = await server.join(version, "source")
    for topic in "abc":
        await source.publish(topic, topic.encode(), 1)
    assert await wire.payloads() == [b"c"]


async def test_mqtt_3_10_4_3_what_has_begun_is_completed(server, version):
    """[MQTT-3.10.4-3], in 3.1.1 [MQTT-3.10.4-3]: a message in flight goes on to its end, over a new
    connection too.
    """
    wire = await server.join(version, keep=True)
    await wire.subscribe("t", options=2)
    source = await server.join(version, "source")
    await source.publish("t", b"1", 1)
    await source.publish("t", b"2", 2)
    one, two_ = await wire.messages()
    wire.send(unsubscribe(version, 1, "t"), answer(0x50, two_.packet_id))
    assert {type(found) for found in await wire.so_far()} == {Unsuback, Pubrel}
    wire.send(answer(PUBCOMP, two_.packet_id), disconnect(version))
    await wire.rest()
    again = await server.join(version, keep=True)
    (repeated,) = await again.messages()
    assert (repeated.packet_id, repeated.dup, repeated.payload) == (one.packet_id, True, b"1")
    again.send(answer(PUBACK, repeated.packet_id))
    assert await again.so_far() == []


async def test_a_suback_waits_for_its_subscription(server, version):
    """[MQTT-4.5.0-1], in 3.1.1 [MQTT-4.5.0-1]: what is published after the SUBACK is delivered."""
    wire = await server.join(version)
    assert await wire.subscribe("t", options=1) == (1,)
    found = await wire.publish("t", b"x", 1)
    assert {type(one) for one in found} == {Puback, Publish}


async def test_subscription_identifier_0(server):
    """A subscription identifier is never 0, and there is one at most (3.8.2.1.2)."""
    for raw in (b"\x0b\0", b"\x0b\1\x0b\2"):
        wire = await server.join(5)
        wire.send(subscribe(5, 1, ("t", 0), raw=raw))
        await wire.cut_off(0x82)
