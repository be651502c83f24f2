"""Chapters 1 and 2: strings, numbers, the fixed header, packet identifiers, properties.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import (
    PUBACK,
    PUBREL,
    answer,
    connect,
    disconnect,
    packet,
    props,
    publish,
    subscribe,
    text,
    two,
    unsubscribe,
    will,
)

from gateway.broker.embedded.codec.packets import Connack, Puback, Pubcomp, Publish, Pubrec, Suback

BAD_UTF8 = [
    b"\xff",
    b"a\xc0\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x82",
]


def connects_with(version: int, raw: bytes) -> list[bytes]:
    """Return CONNECT packets with these bytes in each of their strings."""
    return [
        connect(version, raw),
        connect(version, username=raw),
        connect(version, will=will(version, raw)),
        *(
            [connect(5, properties=props(5, b"\x26" + text(raw) + text("b")))]
            if version == 5
            else []
        ),
    ]


def packets_with(version: int, raw: bytes) -> list[bytes]:
    """Return the other packets with these bytes in each of their strings."""
    five = [
        b"\x26" + text(raw) + text("b"),
        b"\x26" + text("a") + text(raw),
        b"\x03" + text(raw),
        b"\x08" + text(raw),
    ]
    return [
        publish(version, raw),
        subscribe(version, 1, (raw, 0)),
        unsubscribe(version, 1, raw),
        *(publish(5, "t", raw=one) for one in five if version == 5),
    ]


@pytest.mark.parametrize("raw", BAD_UTF8)
async def test_mqtt_1_5_4_1_ill_formed_utf8(server, version, raw):
    """[MQTT-1.5.4-1] [MQTT-4.13.1-1], in 3.1.1 [MQTT-1.5.3-1] [MQTT-4.8.0-1]: ill-formed UTF-8 ends
    the connection.
    """
    for data in connects_with(version, raw):
        wire = await server.dial(version)
        wire.send(data)
        await wire.turned_away(0x81)
    for data in packets_with(version, raw):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x81)


async def test_mqtt_1_5_4_2_null_character(server, version):
    """[MQTT-1.5.4-2] [MQTT-4.7.3-2], in 3.1.1 [MQTT-1.5.3-2] [MQTT-4.7.3-2]: U+0000 ends the
    connection.
    """
    for data in connects_with(version, b"a\0b"):
        wire = await server.dial(version)
        wire.send(data)
        await wire.turned_away(0x81)
    for data in packets_with(version, b"a\0b"):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x81)


async def test_mqtt_1_5_4_3_byte_order_mark_is_kept(server, version):
    """[MQTT-1.5.4-3], in 3.1.1 [MQTT-1.5.3-3]: EF BB BF is a character like any other."""
    wire = await server.join(version)
    await wire.subscribe("\ufefft", "t")
    await wire.publish("\ufefft", b"marked")
    wire.send(publish(version, "\ufefft", b"again"))
    assert (await wire.get(Publish)).topic == "\ufefft"


async def test_mqtt_1_5_5_1_shortest_integers(server):
    """[MQTT-1.5.5-1]: a remaining length, property length or identifier with a needless byte is
    malformed.
    """
    for data in (
        b"\x30\x84\0" + text("t") + b"\0" + b"",
        packet(0x30, text("t"), b"\x80\0"),
        subscribe(5, 1, ("t", 0), raw=b"\x0b\x81\0"),
    ):
        wire = await server.join(5)
        wire.send(data)
        await wire.cut_off(0x81)


@pytest.mark.parametrize("version", [4, 5])
async def test_mqtt_1_5_5_1_no_fifth_byte(server, version):
    """[MQTT-1.5.5-1] [MQTT-4.13.1-1], in 3.1.1 [MQTT-4.8.0-1]: a fifth byte of a length is never
    awaited.
    """
    wire = await server.join(version)
    wire.send(b"\x30\xff\xff\xff\xff")
    await wire.cut_off(0x81)


@pytest.mark.parametrize("raw", BAD_UTF8)
async def test_mqtt_1_5_7_1_string_pairs(server, raw):
    """[MQTT-1.5.7-1]: the name and the value of a user property are both UTF-8."""
    for pair in (text(raw) + text("b"), text("a") + text(raw)):
        wire = await server.join(5)
        wire.send(publish(5, "t", raw=b"\x26" + pair))
        await wire.cut_off(0x81)


def _first_bytes() -> list[tuple[int, bytes]]:
    bodies = {
        0x40: two(1), 0x50: two(1), 0x62: two(1), 0x70: two(1), 0x82: two(1) + text("t") + b"\0",
        0xA2: two(1) + text("t"), 0xC0: b"", 0xE0: b"",
    }  # fmt: skip
    return [
        (first & 0xF0 | flags, body)
        for first, body in bodies.items()
        for flags in range(16)
        if flags != first & 15
    ]


@pytest.mark.parametrize(("first", "body"), _first_bytes())
async def test_mqtt_2_1_3_1_reserved_flags(server, version, first, body):
    """[MQTT-2.1.3-1] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1], in 3.1.1
    [MQTT-2.2.2-1] [MQTT-2.2.2-2] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1]:
    other flags end the connection.
    """
    if version == 5 and first >> 4 in (8, 10):
        body = body[:2] + b"\0" + body[2:]
    wire = await server.join(version)
    wire.send(packet(first, body))
    await wire.cut_off(0x81)


@pytest.mark.parametrize("flags", range(1, 16))
async def test_mqtt_2_1_3_1_reserved_flags_of_connect(server, version, flags):
    """[MQTT-2.1.3-1] [MQTT-3.1.4-1], in 3.1.1 [MQTT-2.2.2-1] [MQTT-2.2.2-2]: a CONNECT with flags
    is turned away.
    """
    wire = await server.dial(version)
    wire.send(bytes((0x10 | flags,)) + connect(version)[1:])
    assert [one.reason_code for one in await wire.rest()] in ([], [0x81])


@pytest.mark.parametrize("first", [0x00, 0x0F, 0x20, 0x90, 0xB0, 0xD0])
async def test_mqtt_4_13_1_1_packets_of_no_client(server, version, first):
    """[MQTT-4.13.1-1] [MQTT-4.13.2-1], in 3.1.1 [MQTT-4.8.0-1]: a reserved type, or a server's
    packet, ends it.
    """
    wire = await server.join(version)
    wire.send(packet(first, two(1) + b"\0\0"))
    await wire.cut_off(0x81 if first < 16 else 0x82)


async def test_mqtt_2_2_1_2_no_packet_id_with_qos_0(server, version):
    """[MQTT-2.2.1-2] [MQTT-2.2.2-1], in 3.1.1 [MQTT-2.3.1-5]: topic, at most an empty property
    length, payload.
    """
    wire = await server.dial(version)
    wire.send(connect(version), subscribe(version, 9, ("t", 0)), publish(version, "t", b"pay"))
    head = 4 if version == 4 else None
    if head is None:
        connack = await wire.bytes(2)
        head = 2 + connack[1]
        await wire.bytes(connack[1])
    else:
        await wire.bytes(head)
    assert await wire.bytes(5 if version == 4 else 6) == packet(0x90, two(9), props(version), b"\0")
    assert await wire.bytes(8 if version == 4 else 9) == packet(
        0x30, text("t"), props(version), b"pay"
    )


@pytest.mark.parametrize(
    "kind", ["publish 1", "publish 2", "subscribe", "unsubscribe", "puback", "pubrel"]
)
async def test_mqtt_2_2_1_3_packet_id_0(server, version, kind):
    """[MQTT-2.2.1-3], in 3.1.1 [MQTT-2.3.1-1]: a packet id of 0 ends the connection."""
    data = {
        "publish 1": publish(version, "t", b"", 1, 0),
        "publish 2": publish(version, "t", b"", 2, 0),
        "subscribe": subscribe(version, 0, ("t", 0)),
        "unsubscribe": unsubscribe(version, 0, "t"),
        "puback": answer(PUBACK, 0),
        "pubrel": answer(PUBREL, 0),
    }[kind]
    wire = await server.join(version)
    wire.send(data)
    await wire.cut_off(0x82)


async def test_mqtt_2_2_1_4_unused_packet_ids(server, version):
    """[MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1], in 3.1.1 [MQTT-2.3.1-2] [MQTT-2.3.1-3]
    [MQTT-2.3.1-4]: of what is in flight, every packet id is another and none is 0; acknowledged, it
    is free.
    """
    wire = await server.join(version)
    await wire.subscribe("t", options=2)
    source = await server.join(version, "source")
    for number in range(40):
        await source.publish("t", b"%d" % number, 1 + number % 2)
    found = await wire.messages()
    assert len({message.packet_id for message in found} - {0}) == 40
    wire.send(*(answer(PUBACK, message.packet_id) for message in found if message.qos == 1))
    await source.publish("t", b"more", 1)
    (more,) = await wire.messages()
    assert more.packet_id not in {message.packet_id for message in found if message.qos == 2}


async def test_mqtt_2_2_1_5_answers_have_the_id_of_their_publish(server, version):
    """[MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11], in 3.1.1 [MQTT-2.3.1-6]
    [MQTT-4.3.2-2] [MQTT-4.3.3-2]: PUBACK, PUBREC and PUBCOMP name the packet that they answer.
    """
    wire = await server.join(version)
    wire.send(
        publish(version, "t", b"", 1, 17),
        publish(version, "t", b"", 2, 65535),
        answer(PUBREL, 65535),
    )
    assert await wire.so_far() == [Puback(17), Pubrec(65535), Pubcomp(65535)]


async def test_mqtt_2_2_1_6_subscriptions_have_the_id_of_their_request(server, version):
    """[MQTT-2.2.1-6] [MQTT-3.8.4-2] [MQTT-3.10.4-5], in 3.1.1 [MQTT-2.3.1-7] [MQTT-3.8.4-2]
    [MQTT-3.10.4-4]: SUBACK and UNSUBACK name the packet that they answer.
    """
    wire = await server.join(version)
    wire.send(subscribe(version, 4711, ("t", 0)), unsubscribe(version, 815, "t"))
    assert [one.packet_id for one in await wire.so_far()] == [4711, 815]


async def test_mqtt_2_2_2_1_no_properties(server):
    """[MQTT-2.2.2-1]: SUBACK, UNSUBACK and PUBLISH without properties say so with a zero."""
    wire = await server.join(5)
    wire.send(subscribe(5, 1, ("t", 0)), unsubscribe(5, 2, "t"))
    assert await wire.bytes(6) == b"\x90\x04\0\1\0\0"
    assert await wire.bytes(6) == b"\xb0\x04\0\2\0\0"


@pytest.mark.parametrize("cut", range(1, 11))
async def test_mqtt_4_13_1_1_cut_off_fields(server, version, cut):
    """[MQTT-4.13.1-1], in 3.1.1 [MQTT-4.8.0-1]: a packet that ends inside a field is malformed."""
    whole = subscribe(version, 1, ("topic", 0))[2:-cut]
    wire = await server.join(version)
    wire.send(packet(0x82, whole))
    last = await wire.rest()
    assert [one.reason_code for one in last] in ([[]] if version == 4 else [[0x81], [0x82]])


async def test_mqtt_4_13_1_1_trailing_bytes(server, version):
    """[MQTT-4.13.1-1], in 3.1.1 [MQTT-4.8.0-1]: a packet that goes on after its last field is
    malformed.
    """
    for data in (packet(0x40, two(1), b"\0\0\0"), packet(0xC0, b"\0"), packet(0xE0, b"\0\0\0")):
        wire = await server.join(version)
        wire.send(data)
        await wire.cut_off(0x81)
    wire = await server.dial(version)
    wire.send(packet(0x10, connect(version)[2:], b"\0"))
    await wire.turned_away(0x81)


async def test_mqtt_4_13_1_1_properties_out_of_place(server):
    """[MQTT-4.13.1-1]: a property that stands twice, is unknown, or belongs to another packet, ends
    the connection.
    """
    twice, stranger, unknown = b"\x01\1\x01\1", b"\x11\0\0\0\1", b"\x7f\0"
    for raw, reason in (
        (twice, 0x82),
        (stranger, 0x81),
        (unknown, 0x81),
        (b"\x01\2", 0x82),
        (b"\x02\0", 0x81),
    ):
        wire = await server.join(5)
        wire.send(publish(5, "t", raw=raw))
        await wire.cut_off(reason)
    for raw in (
        b"\x21\0\0",
        b"\x27\0\0\0\0",
        b"\x17\2",
        b"\x19\2",
        b"\x16" + text("x"),
        b"\x21\0\1\x21\0\1",
    ):
        wire = await server.dial(5)
        wire.send(connect(5, properties=props(5, raw)))
        await wire.turned_away(0x82)


async def test_any_split_of_the_bytes(server, version):
    """A packet may come a byte at a time."""
    wire = await server.dial(version)
    for byte in (
        connect(version)
        + subscribe(version, 1, ("t", 0))
        + publish(version, "t", b"x")
        + disconnect(version)
    ):
        wire.send(bytes((byte,)))
        await wire.drain()
    kinds = [type(one) for one in await wire.rest()]
    assert kinds == [Connack, Suback, Publish]
