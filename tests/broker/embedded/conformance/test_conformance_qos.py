"""Sections 4.3, 4.4 and 4.6: the three qualities of service, redelivery and order.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import PUBACK, PUBCOMP, PUBREC, PUBREL, answer, disconnect, props, publish

from gateway.broker.embedded.codec.packets import (
    Disconnect,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
)


async def subscriber(server, version, **more):
    """Return a client with a session that lasts, subscribed to `t` with QoS 2, and a publisher."""
    wire = await server.join(version, keep=True, **more)
    await wire.subscribe("t", options=2)
    return wire, await server.join(version, "source")


async def test_mqtt_4_3_2_3_unacknowledged_until_puback(server, version):
    """[MQTT-4.3.2-3] [MQTT-4.4.0-1], in 3.1.1 [MQTT-4.3.2-1] [MQTT-4.4.0-1]: QoS 1 is sent again on
    each new connection until its PUBACK, with its packet id, and at no other time.
    """
    wire, source = await subscriber(server, version)
    await source.publish("t", b"x", 1)
    packet_id = (await wire.get(Publish)).packet_id
    for _ in range(3):
        server.after(60)
        assert await wire.so_far() == []
        wire.abort()
        wire = await server.join(version, keep=True)
        assert [(one.packet_id, one.dup) for one in await wire.messages()] == [(packet_id, True)]
    wire.send(answer(PUBACK, packet_id))
    assert await wire.so_far() == []
    wire.abort()
    assert await (await server.join(version, keep=True)).so_far() == []


async def test_mqtt_4_3_2_4_puback_means_owned(server, version):
    """[MQTT-4.3.2-4] [MQTT-4.3.3-8], in 3.1.1 [MQTT-4.3.2-2] [MQTT-4.3.3-2]: PUBACK and PUBREC come
    when the message is stored and not before.
    """
    wire = await server.join(version)
    server.gate.hold = True
    wire.send(publish(version, "t", b"1", 1, 1), publish(version, "t", b"2", 2, 2))
    await server.bench.until(lambda: len(server.gate.messages) == 2)
    assert await wire.so_far() == []
    server.gate.store()
    assert await wire.so_far() == [Puback(1), Pubrec(2)]
    server.gate.hold = False


async def test_mqtt_4_3_2_5_the_packet_id_again(server, version):
    """[MQTT-4.3.2-5], in 3.1.1 [MQTT-4.3.2-2]: after its PUBACK a packet id is of a new message,
    whatever DUP says.
    """
    wire = await server.join(version)
    await wire.subscribe("t")
    for payload, dup in ((b"1", False), (b"2", True), (b"3", False)):
        wire.send(publish(version, "t", payload, 1, 5, dup=dup))
    assert [one.payload for one in await wire.messages()] == [b"1", b"2", b"3"]


async def test_mqtt_4_3_3_3_unacknowledged_until_pubrec(server, version):
    """[MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT-2.2.1-5], in
    3.1.1 [MQTT-4.3.3-1] [MQTT-4.4.0-1] [MQTT-2.3.1-6]: PUBLISH until PUBREC, then PUBREL until
    PUBCOMP, never PUBLISH again.
    """
    wire, source = await subscriber(server, version)
    await source.publish("t", b"x", 2)
    packet_id = (await wire.get(Publish)).packet_id
    wire.abort()
    wire = await server.join(version, keep=True)
    assert [(one.packet_id, one.dup) for one in await wire.messages()] == [(packet_id, True)]
    wire.send(answer(PUBREC, packet_id))
    assert await wire.so_far() == [Pubrel(packet_id)]
    for _ in range(2):
        wire.abort()
        wire = await server.join(version, keep=True)
        assert await wire.so_far() == [Pubrel(packet_id)]
    wire.send(answer(PUBREC, packet_id))
    assert await wire.so_far() == [Pubrel(packet_id)]
    wire.send(answer(PUBCOMP, packet_id))
    assert await wire.so_far() == []
    wire.abort()
    assert await (await server.join(version, keep=True)).so_far() == []


async def test_mqtt_4_3_3_7_no_expiry_once_sent(server):
    """[MQTT-4.3.3-7] [MQTT-3.3.2-5]: a message that was sent is sent again although its expiry has
    passed.
    """
    wire, source = await subscriber(server, 5)
    await source.publish("t", b"x", 2, message_expiry_interval=1)
    packet_id = (await wire.get(Publish)).packet_id
    wire.abort()
    await server.left()
    server.after(5)
    again = await server.join(5, keep=True)
    assert [one.packet_id for one in await again.messages()] == [packet_id]
    again.send(answer(PUBREC, packet_id))
    server.after(5)
    assert await again.so_far() == [Pubrel(packet_id)]


@pytest.mark.parametrize("again", ["same connection", "new connection"])
async def test_mqtt_4_3_3_10_a_repeated_publish(server, version, again):
    """[MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12], in 3.1.1 [MQTT-4.3.3-2]: until PUBREL the
    same packet id gets PUBREC and goes nowhere; after PUBCOMP it is a new message.
    """
    watch = await server.join(version, "watch")
    await watch.subscribe("t")
    wire = await server.join(version, keep=True)
    wire.send(publish(version, "t", b"1", 2, 5), publish(version, "t", b"1", 2, 5, dup=True))
    assert await wire.so_far() == [Pubrec(5)] * 2
    if again == "new connection":
        wire.abort()
        wire = await server.join(version, keep=True)
    wire.send(publish(version, "t", b"1", 2, 5, dup=True))
    assert await wire.so_far() == [Pubrec(5)]
    assert await watch.payloads() == [b"1"]
    wire.send(answer(PUBREL, 5), publish(version, "t", b"2", 2, 5))
    assert await wire.so_far() == [Pubcomp(5), Pubrec(5)]
    assert await watch.payloads() == [b"2"]


async def test_mqtt_4_3_3_12_packet_ids_of_a_clean_start(server, version):
    """[MQTT-4.3.3-12] [MQTT-3.1.2-4], in 3.1.1 [MQTT-3.1.2-6]: a clean start knows no packet id
    from before.
    """
    wire = await server.join(version, keep=True)
    await wire.publish("t", b"1", 1)
    wire.send(publish(version, "t", b"2", 2, 5))
    assert await wire.so_far() == [Pubrec(5)]
    again = await server.join(version, keep=True, clean=True)
    again.send(publish(version, "t", b"3", 2, 5))
    assert await again.so_far() == [Pubrec(5)]
    assert [one.payload for one in server.gate.messages] == [b"1", b"2", b"3"]


async def test_mqtt_4_3_3_13_expiry_changes_no_exchange(server):
    """[MQTT-4.3.3-13]: PUBREC, PUBREL and PUBCOMP follow although nobody gets the message."""
    wire = await server.join(5)
    wire.send(publish(5, "t", b"x", 2, 5, message_expiry_interval=1))
    assert await wire.so_far() == [Pubrec(5)]
    server.after(5)
    wire.send(answer(PUBREL, 5))
    assert await wire.so_far() == [Pubcomp(5)]


@pytest.mark.parametrize("qos", [1, 2])
async def test_mqtt_4_4_0_2_a_failure_ends_the_exchange(server, qos):
    """[MQTT-4.4.0-2] [MQTT-4.3.3-4] [MQTT-4.8.2-6]: a PUBACK or PUBREC of 0x80 and above is the
    end, for a shared subscription too.
    """
    wire, source = await subscriber(server, 5)
    await wire.subscribe("$share/g/s", options=2)
    other = await server.join(5, "other", keep=True)
    await other.subscribe("$share/g/s", options=2)
    for topic in ("t", "s", "s"):
        await source.publish(topic, b"x", qos)
    for one in await wire.messages():
        wire.send(answer(PUBACK if qos == 1 else PUBREC, one.packet_id, 0x80))
    assert await wire.so_far() == []
    assert len(await other.messages()) == 1
    wire.abort()
    assert await (await server.join(5, keep=True)).so_far() == []
    assert await other.so_far() == []


async def test_mqtt_4_6_0_1_order_of_what_is_sent_again(server, version):
    """[MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT-4.4.0-1], in 3.1.1 [MQTT-4.6.0-1] [MQTT-4.6.0-5]
    [MQTT-4.6.0-6]: what is sent again keeps its order and packet ids, and new messages come after
    it.
    """
    wire, source = await subscriber(server, version)
    for number in range(20):
        await source.publish("t", b"%02d" % number, 1 + number % 2)
    first = await wire.messages()
    wire.send(answer(PUBACK, first[4].packet_id), answer(PUBREC, first[7].packet_id))
    await wire.so_far()
    wire.abort()
    await server.left()
    await source.publish("t", b"new", 1)
    found = await (await server.join(version, keep=True)).so_far()
    assert found[0] == Pubrel(first[7].packet_id)
    expected = [
        (one.payload, one.packet_id) for place, one in enumerate(first) if place not in (4, 7)
    ]
    assert [(one.payload, one.packet_id) for one in found[1:-1]] == expected
    assert found[-1].payload == b"new"


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mqtt_4_6_0_5_messages_keep_their_order(server, version, qos):
    """[MQTT-4.6.0-5] [MQTT-4.6.0-6], in 3.1.1 [MQTT-4.6.0-5] [MQTT-4.6.0-6]: a publisher's messages
    come in order, also where the gate stores them late and out of turn.
    """
    wire, source = await subscriber(server, version)
    server.gate.hold = True
    for number in range(4):
        source.send(publish(version, "t", b"%d" % number, qos, number + 1))
        await source.drain()
        await server.bench.until(lambda count=number + 1: len(server.gate.messages) == count)
    server.gate.waiting.reverse()
    server.gate.store()
    server.gate.hold = False
    assert await wire.payloads() == [b"0", b"1", b"2", b"3"]


async def test_mqtt_4_6_0_2_answers_in_order(server, version):
    """[MQTT-3.3.4-1], in 3.1.1 [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]: as a client must, the
    server acknowledges in the order in which messages and PUBRECs came.
    """
    wire, source = await subscriber(server, version)
    wire.send(*(publish(version, "u", b"", 1 + number % 2, number) for number in (9, 4, 7, 2)))
    assert [one.packet_id for one in await wire.so_far()] == [9, 4, 7, 2]
    for _ in range(3):
        await source.publish("t", b"x", 2)
    ids = [one.packet_id for one in await wire.messages()][::-1]
    wire.send(*(answer(PUBREC, packet_id) for packet_id in ids))
    assert [one.packet_id for one in await wire.so_far()] == ids


async def test_mqtt_4_9_0_1_a_smaller_receive_maximum(server):
    """[MQTT-4.9.0-1] [MQTT-4.4.0-1]: what is sent again keeps to the receive maximum of the new
    connection.
    """
    wire, source = await subscriber(server, 5)
    for number in range(5):
        await source.publish("t", b"%d" % number, 1)
    await wire.messages()
    wire.send(disconnect(5))
    await wire.rest()
    again = await server.join(
        5, clean=False, properties=props(5, receive_maximum=2, session_expiry_interval=100)
    )
    found = await again.messages()
    assert [one.payload for one in found] == [b"0", b"1"]
    again.send(answer(PUBACK, found[0].packet_id))
    assert await again.payloads() == [b"2"]


@pytest.mark.parametrize(
    ("qos", "answers"),
    [
        (1, (PUBREC,)),
        (1, (PUBCOMP,)),
        (2, (PUBACK,)),
        (2, (PUBCOMP,)),
        (2, (PUBREC, PUBACK)),
    ],
)
async def test_mqtt_4_13_1_1_an_answer_of_another_qos(server, version, qos, answers):
    """[MQTT-4.13.1-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8], in 3.1.1 [MQTT-4.8.0-1]: an answer that the
    message's QoS does not have, or not yet, ends the connection; the message is still
    unacknowledged.
    """
    wire, source = await subscriber(server, version)
    await source.publish("t", b"x", qos)
    packet_id = (await wire.get(Publish)).packet_id
    wire.send(*(answer(first, packet_id) for first in answers))
    found = await wire.rest()
    last = [found.pop()] if version == 5 else []
    assert last == ([Disconnect(0x82)] if version == 5 else [])
    assert found == [Pubrel(packet_id)] * (len(answers) - 1)
    again = await server.join(version, keep=True)
    (left,) = await again.so_far()
    assert left.packet_id == packet_id
    assert isinstance(left, Pubrel if PUBREC in answers and qos == 2 else Publish)
    assert await source.so_far() == []


async def test_an_answer_to_nothing_is_passed_over(server, version):
    """An id that is not in flight is no error for an answer: it may be from before a lost
    connection (4.3.3).
    """
    wire = await server.join(version)
    wire.send(answer(PUBACK, 7), answer(PUBCOMP, 7), answer(PUBREC, 7))
    code = 0x92 if version == 5 else 0
    assert await wire.so_far() == [Pubrel(7, code)]
