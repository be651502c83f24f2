"""Sections 3.1 and 3.2: CONNECT and CONNACK, but for wills and keep-alive.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import string

import pytest
from wire_client import (
    PINGREQ,
    connect,
    disconnect,
    packet,
    props,
    publish,
    subscribe,
    text,
    two,
    will,
)

from gateway.broker.embedded.codec.packets import Connack, Disconnect, Publish


@pytest.mark.parametrize(
    "data",
    [
        PINGREQ,
        b"\xe0\0",
        publish(4, "t"),
        publish(4, "t", b"", 1),
        subscribe(4, 1, ("t", 0)),
        b"\xf0\0",
        b"\x40\2\0\1",
    ],
)
async def test_mqtt_3_1_0_1_connect_comes_first(server, version, data):
    """[MQTT-3.1.0-1] [MQTT-3.14.0-1], in 3.1.1 [MQTT-3.1.0-1]: any other first packet ends it
    without an answer.
    """
    wire = await server.dial(version)
    wire.send(data)
    assert await wire.rest() == []
    assert server.gate.messages == []


async def test_mqtt_3_1_0_2_a_second_connect(server, version):
    """[MQTT-3.1.0-2], in 3.1.1 [MQTT-3.1.0-2]: a second CONNECT ends the connection."""
    wire = await server.join(version)
    wire.send(connect(version))
    await wire.cut_off(0x82)


@pytest.mark.parametrize("name", ["hj", "mqtt", "MQTTT", "", "MQIsdp"])
async def test_mqtt_3_1_2_1_protocol_name(server, version, name):
    """[MQTT-3.1.2-1], in 3.1.1 [MQTT-3.1.2-1]: another protocol name is refused."""
    wire = await server.dial(version)
    wire.send(connect(version, name=name))
    await wire.turned_away(0x84, 1)


@pytest.mark.parametrize(
    ("level", "answer"), [(0, 1), (2, 1), (3, 1), (6, 0x84), (84, 0x84), (0x84, 0x84), (255, 0x84)]
)
async def test_mqtt_3_1_2_2_protocol_level(server, level, answer):
    """[MQTT-3.1.2-2], in 3.1.1 [MQTT-3.1.2-2]: a level that is not spoken is refused with 0x84, or
    1 below level 5.
    """
    version = 5 if level > 5 else 4
    wire = await server.dial(version)
    wire.send(connect(version, level=level))
    assert await wire.rest() == [Connack(False, answer)]


async def test_mqtt_3_1_2_3_reserved_flag(server, version):
    """[MQTT-3.1.2-3] [MQTT-3.1.4-1], in 3.1.1 [MQTT-3.1.2-3] [MQTT-3.1.4-1]: the reserved flag is
    0.
    """
    wire = await server.dial(version)
    wire.send(connect(version, flags=0x83))
    await wire.turned_away(0x81)


async def test_mqtt_3_1_2_4_clean_start_discards(server, version):
    """[MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2], in 3.1.1 [MQTT-3.1.2-6] [MQTT-3.1.4-3]
    [MQTT-3.2.2-1]: a clean start leaves nothing of the session before, and nothing of its own to a
    later one.
    """
    wire = await server.join(version, keep=True)
    await wire.subscribe("t", options=1)
    wire.send(disconnect(version))
    await wire.rest()
    await (await server.join(version, "source")).publish("t", b"queued", 1)
    again = await server.join(version, clean=True)
    assert not again.connack.session_present
    await (await server.join(version, "source")).publish("t", b"later", 1)
    assert await again.so_far() == []
    await again.subscribe("u", options=1)
    again.send(disconnect(version))
    await again.rest()
    assert not (await server.join(version, keep=True)).connack.session_present


async def test_mqtt_3_1_2_5_a_session_is_resumed(server, version):
    """[MQTT-3.1.2-5] [MQTT-3.1.2-23] [MQTT-3.2.2-3] [MQTT-4.5.0-1] [MQTT-3.1.4-4], in 3.1.1
    [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2] [MQTT-4.1.0-1] [MQTT-4.5.0-1] [MQTT-3.1.4-3]:
    subscriptions last, and what matched them meanwhile is delivered.
    """
    wire = await server.join(version, keep=True)
    await wire.subscribe("t/#", options=2)
    wire.send(disconnect(version))
    await wire.rest()
    source = await server.join(version, "source")
    await source.publish("t/1", b"one", 1)
    await source.publish("t/2", b"two", 2)
    again = await server.join(version, keep=True)
    assert again.connack.session_present
    assert [(one.topic, one.payload, one.qos) for one in await again.messages()] == [
        ("t/1", b"one", 1),
        ("t/2", b"two", 2),
    ]
    await source.publish("t/3", b"three")
    assert await again.payloads() == [b"three"]


async def test_mqtt_3_1_2_6_a_session_is_made(server, version):
    """[MQTT-3.1.2-6] [MQTT-3.2.2-3], in 3.1.1 [MQTT-3.1.2-4] [MQTT-3.2.2-3]: without a session
    before, a new one.
    """
    wire = await server.join(version, keep=True)
    assert not wire.connack.session_present


async def test_mqtt_3_1_2_7_retained_messages_outlive_sessions(server):
    """In 3.1.1 [MQTT-3.1.2-7]: the end of a session takes no retained message away."""
    wire = await server.join(4)
    await wire.publish("t", b"kept", retain=True)
    wire.send(disconnect(4))
    await wire.rest()
    other = await server.join(4, "other")
    await other.subscribe("t")
    assert await other.payloads() == [b"kept"]


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (0x02, text("c") + text("u")),  # [MQTT-3.1.2-16] a user name that no flag announces
        (0x82, text("c")),  # [MQTT-3.1.2-17] none where one is announced
        (
            0x82,
            text("c") + text("u") + text("p"),
        ),  # [MQTT-3.1.2-18] a password that no flag announces
        (0xC2, text("c") + text("u")),  # [MQTT-3.1.2-19] none where one is announced
    ],
)
async def test_mqtt_3_1_2_16_flags_of_user_name_and_password(server, version, flags, fields):
    """[MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.4-1], in 3.1.1
    [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.1.4-1]: the flags and
    the payload agree.
    """
    wire = await server.dial(version)
    wire.send(packet(0x10, text("MQTT"), bytes((version, flags)), two(0), props(version), fields))
    await wire.turned_away(0x81)


async def test_mqtt_3_1_2_22_no_password_without_user_name(server, version):
    """In 3.1.1 [MQTT-3.1.2-22]: a password alone is malformed; MQTT 5 allows it (3.1.2.9)."""
    wire = await server.dial(version)
    wire.send(connect(version, username=None, password=b"p"))
    if version == 4:
        assert await wire.rest() == []
    else:
        assert (await wire.get(Connack)).reason_code == 0


async def test_mqtt_3_1_2_28_no_response_information(server):
    """[MQTT-3.1.2-28]: asked not to, or not asked, the server sends no response information."""
    for fields in ({}, {"request_response_information": 0}, {"request_response_information": 1}):
        wire = await server.join(5, properties=props(5, **fields))
        assert wire.connack.properties.response_information is None


async def test_mqtt_3_1_2_29_no_problem_information(server):
    """[MQTT-3.1.2-29]: without it, no packet but PUBLISH, CONNACK and DISCONNECT says more than a
    code.
    """
    wire = await server.join(5, properties=props(5, request_problem_information=0))
    wire.send(
        subscribe(5, 1, ("forbidden/t", 0)),
        publish(5, "forbidden/t", b"", 1, 2),
        publish(5, "t", b"", 1, 3),
    )
    for one in await wire.so_far():
        assert one.properties.reason_string is None
        assert one.properties.user_property == ()


async def test_mqtt_3_1_3_1_order_of_the_payload(server, version):
    """[MQTT-3.1.3-1] [MQTT-3.1.3-3], in 3.1.1 [MQTT-3.1.3-1] [MQTT-3.1.3-3]: client id, will, user
    name, password.
    """
    watch = await server.join(version, "watch")
    await watch.subscribe("will")
    wire = await server.join(
        version, "id", will=will(version, "will", b"last"), username="user", password=b"secret"
    )
    (connection,) = [one for one in server.bench.broker.connections() if one.client_id == "id"]
    assert connection.identity.key == "device:user"
    wire.abort()
    assert (await watch.get(Publish)).payload == b"last"


async def test_mqtt_3_1_3_2_the_client_id_names_the_session(server, version):
    """[MQTT-3.1.3-2], in 3.1.1 [MQTT-3.1.3-2]: each client id has its own session."""
    for client_id in ("one", "two"):
        wire = await server.join(version, client_id, keep=True)
        await wire.subscribe(client_id, options=1)
        wire.send(disconnect(version))
        await wire.rest()
    source = await server.join(version, "source")
    await source.publish("one", b"1", 1)
    await source.publish("two", b"2", 1)
    for client_id, payload in (("one", b"1"), ("two", b"2")):
        again = await server.join(version, client_id, keep=True)
        assert again.connack.session_present
        assert await again.payloads() == [payload]


async def test_mqtt_3_1_3_3_the_client_id_is_there(server, version):
    """[MQTT-3.1.3-3] [MQTT-3.1.4-1], in 3.1.1 [MQTT-3.1.3-3] [MQTT-3.1.4-1]: a CONNECT without one
    is malformed.
    """
    wire = await server.dial(version)
    wire.send(packet(0x10, text("MQTT"), bytes((version, 2)), two(0), props(version)))
    await wire.turned_away(0x81)


@pytest.mark.parametrize("field", ["client_id", "username", "will"])
async def test_mqtt_3_1_3_4_strings_of_connect(server, version, field):
    """[MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12], in 3.1.1 [MQTT-3.1.3-4] [MQTT-3.1.3-10]
    [MQTT-3.1.3-11]: client id, will topic and user name are UTF-8.
    """
    bad = will(version, b"\xff") if field == "will" else b"\xff"
    wire = await server.dial(version)
    wire.send(connect(version, **{field: bad}))
    await wire.turned_away(0x81)


@pytest.mark.parametrize(
    "client_id",
    ["a", string.digits + string.ascii_lowercase[:13], string.ascii_letters[13:36], "x" * 200],
)
async def test_mqtt_3_1_3_5_client_ids(server, version, client_id):
    """[MQTT-3.1.3-5], in 3.1.1 [MQTT-3.1.3-5]: ids of 1 to 23 letters and digits are taken; longer
    ones too.
    """
    wire = await server.join(version, client_id)
    assert wire.connack.reason_code == 0


async def test_mqtt_3_1_3_6_an_empty_client_id(server, version):
    """[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16], in 3.1.1 [MQTT-3.1.3-6]: a unique id is
    assigned, and counts.
    """
    wires = [await server.join(version, "") for _ in range(3)]
    ids = {connection.client_id for connection in server.bench.broker.connections()}
    assert len(ids - {""}) == 3
    assigned = {wire.connack.properties.assigned_client_identifier for wire in wires}
    assert assigned == (ids if version == 5 else {None})


async def test_mqtt_3_1_3_7_the_assigned_client_id_is_the_sessions(server):
    """[MQTT-3.1.3-7]: a client that comes back with the id it was given finds its session."""
    wire = await server.join(5, "", keep=True)
    wire.send(disconnect(5))
    await wire.rest()
    again = await server.join(5, wire.connack.properties.assigned_client_identifier, keep=True)
    assert again.connack.session_present
    assert again.connack.properties.assigned_client_identifier is None


async def test_mqtt_3_1_3_8_no_empty_client_id_without_clean_session(server):
    """In 3.1.1 [MQTT-3.1.3-7] [MQTT-3.1.3-8]: without an id there is no session to come back to."""
    wire = await server.dial(4)
    wire.send(connect(4, "", clean=False))
    await wire.turned_away(0x85, 2)


async def test_mqtt_3_1_3_8_a_client_id_is_refused(server, version):
    """[MQTT-3.1.3-8], in 3.1.1 [MQTT-3.1.3-9]: an id that is too long gets a CONNACK that says so,
    and the end.
    """
    wire = await server.dial(version)
    wire.send(connect(version, "x" * 5000))
    await wire.turned_away(0x85, 2)


async def test_mqtt_3_1_4_1_a_connect_that_does_not_conform(server, version):
    """[MQTT-3.1.4-1] [MQTT-4.13.1-1] [MQTT-4.13.2-1], in 3.1.1 [MQTT-3.1.4-1] [MQTT-3.2.2-6]: 3.1.1
    has no return code for it and no CONNACK; MQTT 5 says what is wrong.
    """
    for cut in (1, 3, 5):
        wire = await server.dial(version)
        wire.send(packet(0x10, connect(version)[2:-cut]))
        await wire.turned_away(0x81)


async def test_mqtt_3_1_4_2_sign_in(server, version):
    """[MQTT-3.1.4-2] [MQTT-3.2.2-7] [MQTT-3.2.2-6] [MQTT-3.2.2-8], in 3.1.1 [MQTT-3.2.2-4]
    [MQTT-3.2.2-5]: who may not sign in is told so, without a session, and closed.
    """
    wire = await server.dial(version)
    wire.send(connect(version, username="nobody"))
    await wire.turned_away(0x86, 4)


async def test_mqtt_3_1_4_3_the_same_client_again(server, version):
    """[MQTT-3.1.4-3], in 3.1.1 [MQTT-3.1.4-2]: the connection before is ended; MQTT 5 is told
    0x8E.
    """
    first = await server.join(version)
    await server.join(version)
    await first.cut_off(0x8E)
    assert server.bench.departures() == ["taken_over"]


async def test_mqtt_3_1_4_5_connect_is_acknowledged(server, version):
    """[MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.2.2-1], in 3.1.1 [MQTT-3.1.4-4]
    [MQTT-3.2.0-1]: CONNACK comes first, once, with no flag but session present, even where messages
    wait.
    """
    wire = await server.join(version, keep=True)
    await wire.subscribe("t", options=1)
    wire.send(disconnect(version))
    await wire.rest()
    await (await server.join(version, "source")).publish("t", b"x", 1)
    lasting = props(version, session_expiry_interval=100)
    again = await server.dial(version)
    again.send(connect(version, clean=False, properties=lasting))
    assert (await again.bytes(3))[::2] == b"\x20\1"
    other = await server.dial(version)
    other.send(connect(version, clean=False, properties=lasting))
    kinds = [type(one) for one in await other.so_far()]
    assert kinds == [Connack, Publish]


async def test_mqtt_3_1_4_6_nothing_after_a_refusal(server, version):
    """[MQTT-3.1.4-6], in 3.1.1 [MQTT-3.1.4-5]: what follows a CONNECT that is refused is not looked
    at.
    """
    wire = await server.dial(version)
    wire.send(connect(version, username="nobody"), publish(version, "t", b"x", 1), connect(version))
    await wire.turned_away(0x86, 4)
    assert server.gate.messages == []
    assert server.gate.calls == []


async def test_mqtt_3_2_2_9_what_the_server_can(server):
    """[MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13]: QoS 2, retained messages,
    wildcards, shared subscriptions and identifiers are offered, so CONNACK takes none of them back,
    and a will may use them.
    """
    wire = await server.join(5, will=will(5, "w"), will_flags=0x34)
    found = wire.connack.properties
    offered = (found.maximum_qos, found.retain_available, found.wildcard_subscription_available)
    assert {
        *offered,
        found.subscription_identifier_available,
        found.shared_subscription_available,
    } <= {None, 1}
    assert found.receive_maximum == 4
    assert found.topic_alias_maximum == 4
    assert found.maximum_packet_size == 100_000


async def test_mqtt_3_2_2_15_a_packet_too_large(server, version):
    """[MQTT-3.2.2-15], in 3.1.1 [MQTT-4.8.0-2]: a packet above the announced size ends the
    connection with 0x95.
    """
    largest = 100_000 - len(publish(version, "t", b"x" * 100_000)) + 100_000
    wire = await server.join(version)
    wire.send(publish(version, "t", b"x" * largest, 0))
    assert await wire.so_far() == []
    assert len(server.gate.messages) == 1
    wire.send(publish(version, "t", b"x" * (largest + 1), 0))
    assert await wire.rest() in ([], [Disconnect(0x95)])
    assert len(server.gate.messages) == 1


async def test_mqtt_3_2_2_19_a_small_connack(server):
    """[MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
    [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2]
    [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]: answers have no reason string
    and no user property, so none of them can make a packet too large.
    """
    wire = await server.join(5, properties=props(5, maximum_packet_size=40))
    wire.send(
        subscribe(5, 1, ("forbidden/t", 0)),
        publish(5, "forbidden/t", b"", 1),
        publish(5, "forbidden/t", b"", 2),
    )
    wire.send(b"\x62\3\0\7\0", b"\x50\3\0\7\0", b"\xa2\6\0\3\0\0\1t")
    found = [wire.connack, *await wire.so_far()]
    wire.send(connect(5))
    found += await wire.rest()
    assert len(found) == 8
    assert isinstance(found[-1], Disconnect)
    assert all(
        one.properties.reason_string is None and not one.properties.user_property for one in found
    )
