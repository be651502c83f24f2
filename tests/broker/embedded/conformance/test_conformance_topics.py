"""Sections 4.7 and 4.8: topics, filters and shared subscriptions.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    answer,
    disconnect,
    publish,
    subscribe,
    text,
    two,
    unsubscribe,
)

from gateway.broker.embedded.codec.packets import Publish, Pubrel
from gateway.broker.port import Message


@pytest.mark.parametrize("topic_filter", ["a#", "a/#b", "#/a", "a/#/b", "##", "a/b#", "/#/"])
async def test_mqtt_4_7_1_1_many_levels(server, version, topic_filter):
    """[MQTT-4.7.1-1], in 3.1.1 [MQTT-4.7.1-2]: # stands alone in the last level."""
    for data in (subscribe(version, 1, (topic_filter, 0)), unsubscribe(version, 1, topic_filter)):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x8F)


@pytest.mark.parametrize("topic_filter", ["a+", "+a", "a/+b", "a/b+/c", "++", "+#"])
async def test_mqtt_4_7_1_2_one_level(server, version, topic_filter):
    """[MQTT-4.7.1-2], in 3.1.1 [MQTT-4.7.1-3]: + stands alone in its level."""
    wire = await server.join(version)
    wire.send(subscribe(version, 1, (topic_filter, 0)))
    await wire.cut_off(0x8F)


MATCHES = [
    (
        "sport/tennis/player1/#",
        ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/a/b"],
    ),
    ("sport/#", ["sport", "sport/", "sport/x/y"]),
    ("sport/+", ["sport/", "sport/x"]),
    ("+", ["finance", " "]),
    ("+/+", ["/finance", "a/b", "/"]),
    ("/+", ["/finance", "/"]),
    ("#", ["a", "/", "a/b/c", "//"]),
    ("+/tennis/#", ["/tennis", "x/tennis/y"]),
    ("a//b", ["a//b"]),
    ("a/+/+", ["a//", "a/b/c", "a/b/"]),
]
MISSES = [
    ("sport/tennis/player1/#", ["sport/tennis/player2", "sport/tennis", "sport/tennis/player11"]),
    ("sport/+", ["sport", "sport/x/y"]),
    ("+", ["/finance", "a/b", "a/"]),
    ("a//b", ["a/b", "a/x/b"]),
    ("/a", ["a", "/a/"]),
    ("A", ["a"]),
    ("\u00e9", ["e\u0301"]),
    ("a", ["a ", " a"]),
]


@pytest.mark.parametrize(("topic_filter", "topics"), MATCHES)
async def test_mqtt_4_7_0_1_what_a_filter_matches(server, version, topic_filter, topics):
    """[MQTT-4.7.0-1], in 3.1.1 [MQTT-4.7.1-1]: live and retained, by the examples of 4.7.1."""
    wire = await server.join(version)
    await wire.subscribe(topic_filter)
    source = await server.join(version, "source")
    for topic in topics:
        await source.publish(topic, b"x", retain=True)
    assert [one.topic for one in await wire.messages()] == topics
    late = await server.join(version, "late")
    late.send(subscribe(version, 1, (topic_filter, 0)))
    assert sorted(one.topic for one in await late.messages()) == sorted(topics)


@pytest.mark.parametrize(("topic_filter", "topics"), MISSES)
async def test_mqtt_4_7_3_4_topics_are_compared_as_they_are(server, version, topic_filter, topics):
    """[MQTT-4.7.3-4] [MQTT-3.3.2-3], in 3.1.1 [MQTT-4.7.3-4] [MQTT-3.3.2-3]: nothing is normalized
    or left out.
    """
    wire = await server.join(version)
    source = await server.join(version, "source")
    for topic in topics:
        await source.publish(topic, b"x", retain=True)
    wire.send(subscribe(version, 1, (topic_filter, 0)))
    for topic in topics:
        await source.publish(topic, b"x")
    assert await wire.messages() == []


async def test_mqtt_4_7_2_1_topics_with_a_dollar(server, version):
    """[MQTT-4.7.2-1], in 3.1.1 [MQTT-4.7.2-1]: a filter that begins with a wildcard matches none of
    them, live or retained; one that names the first level does.
    """
    wire = await server.join(version)
    source = await server.join(version, "source")
    await source.publish("$own/a", b"retained", retain=True)
    wire.send(*(subscribe(version, 1, (one, 0)) for one in ("#", "+/#", "+/a")))
    await source.publish("$own/a", b"live")
    server.bench.broker.publish(Message("$SYS/broker/x", b"status"))
    assert await wire.messages() == []
    wire.send(subscribe(version, 1, ("$own/#", 0)), subscribe(version, 2, ("$own/+", 0)))
    assert await wire.payloads() == [b"retained"] * 2
    await source.publish("$own/a", b"live")
    assert await wire.payloads() == [b"live"]


async def test_mqtt_4_7_3_1_no_empty_filter(server, version):
    """[MQTT-4.7.3-1], in 3.1.1 [MQTT-4.7.3-1]: a filter has a character."""
    for data in (subscribe(version, 1, ("", 0)), unsubscribe(version, 1, "")):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x8F)


async def test_mqtt_4_7_3_3_the_longest_topic(server, version):
    """[MQTT-4.7.3-3], in 3.1.1 [MQTT-4.7.3-3]: 65,535 bytes are a topic and a filter; more cannot
    be said.
    """
    topic = "\u00e9" * 32_767 + "x"
    wire = await server.join(version)
    assert await wire.subscribe(topic) == (0,)
    assert [one.topic for one in await wire.publish(topic)] == [topic]


async def test_a_topic_may_hold_any_character(server, version):
    """[MQTT-4.7.3-4], in 3.1.1 [MQTT-4.7.3-4]: spaces, controls and noncharacters pass as they
    are.
    """
    topics = ["a b", "\u0001", "\U0010ffff", "\ufffe", "a\u200db", "\u202e"]
    wire = await server.join(version)
    await wire.subscribe(*topics)
    for topic in topics:
        wire.send(publish(version, topic))
    assert [one.topic for one in await wire.messages()] == topics


@pytest.mark.parametrize(
    "topic_filter",
    ["$share/", "$share/g", "$share//t", "$share/g/", "$share/+/t", "$share/a#/t", "$share/a+b/t"],
)
async def test_mqtt_4_8_2_1_the_form_of_a_shared_subscription(server, topic_filter):
    """[MQTT-4.8.2-1] [MQTT-4.8.2-2]: $share, a name without wildcards, a filter."""
    wire = await server.join(5)
    wire.send(subscribe(5, 1, (topic_filter, 0)))
    await wire.cut_off(0x8F)


async def members(server, *options: int, keep: bool = False):
    """Return clients that share `t`, and a publisher."""
    wires = []
    for number, option in enumerate(options):
        wire = await server.join(5, f"member{number}", keep=keep)
        await wire.subscribe("$share/g/t", options=option)
        wires.append(wire)
    return *wires, await server.join(5, "source")


async def test_a_shared_message_goes_to_one(server):
    """[MQTT-4.8.2-3] [MQTT-3.8.4-3]: each message goes to one member of the group, and all take
    their turns; plain subscriptions and other groups get it too.
    """
    one, two_, source = await members(server, 0, 0)
    await one.subscribe("$share/h/t")
    plain = await server.join(5, "plain")
    await plain.subscribe("t")
    for number in range(10):
        await source.publish("t", b"%d" % number)
    mine, theirs = await one.payloads(), await two_.payloads()
    assert len(mine) == 15
    assert len(theirs) == 5
    assert len(await plain.payloads()) == 10


async def test_mqtt_4_8_2_3_each_member_has_its_qos(server):
    """[MQTT-4.8.2-3] [MQTT-3.8.4-8]: each gets messages with the QoS granted to it."""
    one, two_, source = await members(server, 0, 2)
    for _ in range(4):
        await source.publish("t", b"x", 1)
    assert {message.qos for message in await one.messages()} == {0}
    assert {message.qos for message in await two_.messages()} == {1}


async def test_mqtt_4_8_2_4_a_shared_exchange_is_completed(server):
    """[MQTT-4.8.2-4] [MQTT-4.8.2-5]: with QoS 2 the same client completes it, and nobody else gets
    it.
    """
    one, two_, source = await members(server, 2, 2, keep=True)
    await source.publish("t", b"x", 2)
    taker, other = (one, two_) if await one_has(one) else (two_, one)
    name = "member0" if taker is one else "member1"
    taker.abort()
    await server.left()
    assert await other.messages() == []
    again = await server.join(5, name, keep=True)
    found = await again.get(Publish)
    again.send(answer(PUBREC, found.packet_id))
    assert await again.so_far() == [Pubrel(found.packet_id)]
    again.send(answer(PUBCOMP, found.packet_id))
    await again.so_far()
    again.send(disconnect(5, session_expiry_interval=0))
    await again.rest()
    assert await other.messages() == []


async def one_has(wire) -> bool:
    """Tell whether a member got the message."""
    return bool(await wire.messages())


async def test_mqtt_4_8_2_5_nobody_else_when_the_session_ends(server):
    """[MQTT-4.8.2-5]: a QoS 2 message in flight ends with the session that has it."""
    one, two_, source = await members(server, 2, 2, keep=True)
    await source.publish("t", b"x", 2)
    taker, other = (one, two_) if await one_has(one) else (two_, one)
    taker.send(disconnect(5, session_expiry_interval=0))
    await taker.rest()
    assert await other.messages() == []


async def test_a_shared_message_prefers_who_is_there(server):
    """[MQTT-4.8.2-3]: while one member is connected, it gets the messages of those who are not."""
    one, two_, source = await members(server, 1, 1, keep=True)
    one.send(disconnect(5))
    await one.rest()
    for number in range(4):
        await source.publish("t", b"%d" % number, 1)
    found = await two_.messages()
    assert [message.payload for message in found] == [b"0", b"1", b"2", b"3"]
    two_.send(*(answer(PUBACK, message.packet_id) for message in found))
    assert await two_.so_far() == []


async def test_no_retained_messages_for_a_shared_subscription(server):
    """[MQTT-3.3.1-9]: retained messages are not sent when a shared subscription is made (4.8.2)."""
    await (await server.join(5, "source")).publish("t", b"x", retain=True)
    wire = await server.join(5)
    wire.send(subscribe(5, 1, ("$share/g/t", 0)), subscribe(5, 2, ("$share/g/#", 0)))
    assert await wire.messages() == []


async def test_a_string_cannot_be_cut_off(server, version):
    """[MQTT-4.13.1-1], in 3.1.1 [MQTT-4.8.0-1]: a filter longer than its packet is malformed."""
    wire = await server.join(version)
    wire.send(b"\x82" + bytes((8,)) + two(1) + text("abcdef")[:6])
    await wire.cut_off(0x81)
