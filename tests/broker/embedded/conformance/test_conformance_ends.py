"""Sections 3.14, 3.15, 4.12 and 4.13: DISCONNECT, AUTH and errors.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import connect, disconnect, packet, props, publish, text

from gateway.broker.embedded.codec.packets import Disconnect


async def test_mqtt_3_14_4_1_disconnect_is_the_end(server, version):
    """[MQTT-3.14.4-1] [MQTT-3.14.4-2], in 3.1.1 [MQTT-3.14.4-1] [MQTT-3.14.4-2]: after a client's
    DISCONNECT nothing of it is looked at, and the server closes without a word.
    """
    wire = await server.join(version)
    wire.send(publish(version, "t", b"1"), disconnect(version), publish(version, "t", b"2"))
    assert await wire.rest() == []
    assert [one.payload for one in server.gate.messages] == [b"1"]
    assert server.bench.departures() == ["goodbye"]


async def test_mqtt_3_14_4_1_nothing_after_the_servers_disconnect(server):
    """[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-1] [MQTT-3.14.2-2]: the server's DISCONNECT is
    its last packet, has a code of its own and no session expiry, and the connection is closed.
    """
    wire = await server.join(5, keep=True)
    await wire.subscribe("t", options=1)
    wire.send(publish(5, "t", b"1", 1), connect(5), publish(5, "t", b"2", 1))
    found = await wire.rest()
    assert found[-1] == Disconnect(0x82)
    assert sum(isinstance(one, Disconnect) for one in found) == 1


@pytest.mark.parametrize("reason", [0x01, 0x8D, 0x8E, 0x87, 0x9F, 0xFF])
async def test_mqtt_3_14_2_1_reason_codes_of_disconnect(server, reason):
    """[MQTT-3.14.2-1]: a code that a client may not send is a protocol error."""
    wire = await server.join(5)
    wire.send(disconnect(5, reason))
    await wire.cut_off(0x82)


async def test_mqtt_3_14_0_1_no_disconnect_before_connack(server):
    """[MQTT-3.14.0-1] [MQTT-3.2.2-7]: who is not let in gets CONNACK or nothing, never
    DISCONNECT.
    """
    for data in (
        connect(5, username="nobody"),
        connect(5, flags=1),
        packet(0xE0),
        publish(5, "t"),
        b"\x10\xff\xff\xff\xff",
    ):
        wire = await server.dial(5)
        wire.send(data)
        assert not any(isinstance(one, Disconnect) for one in await wire.rest())


@pytest.mark.parametrize("flags", range(1, 16))
async def test_mqtt_3_15_1_1_flags_of_auth(server, flags):
    """[MQTT-3.15.1-1]: they are 0."""
    wire = await server.join(5)
    wire.send(packet(0xF0 | flags, b"\x18", props(5, authentication_method="x")))
    await wire.cut_off(0x81)


@pytest.mark.parametrize("reason", [0x00, 0x18, 0x19, 0x42])
async def test_mqtt_4_12_0_7_auth_without_a_method(server, reason):
    """[MQTT-4.12.0-7] [MQTT-4.12.1-1] [MQTT-4.12.1-2] [MQTT-3.15.2-1] [MQTT-4.12.0-6]: no method
    was agreed on, so AUTH ends the connection.
    """
    wire = await server.join(5)
    assert wire.connack.properties.authentication_method is None
    wire.send(packet(0xF0, bytes((reason,)), props(5, authentication_method="x")))
    await wire.cut_off(0x82)


async def test_auth_is_no_packet_of_3_1_1(server):
    """In 3.1.1 [MQTT-4.8.0-1]: packet type 15 is reserved."""
    wire = await server.join(4)
    wire.send(b"\xf0\0")
    await wire.cut_off(0x81)


async def test_mqtt_4_12_0_1_a_method_that_is_not_offered(server):
    """[MQTT-4.12.0-1] [MQTT-4.12.0-4]: no method is offered, 0x8C; data without a method is an
    error, 0x82.
    """
    for raw, reason in (
        (b"\x15" + text("SCRAM-SHA-1") + b"\x16" + text("data"), 0x8C),
        (b"\x16" + text("data"), 0x82),
    ):
        wire = await server.dial(5)
        wire.send(connect(5, properties=props(5, raw)))
        await wire.turned_away(reason)
    assert server.gate.calls == []


async def test_mqtt_4_13_1_1_others_go_on(server, version):
    """[MQTT-4.13.1-1] [MQTT-4.13.2-1], in 3.1.1 [MQTT-4.8.0-1] [MQTT-4.8.0-2]: an error ends the
    one connection that it came from; what came before it is taken in.
    """
    bystander = await server.join(version, "bystander")
    await bystander.subscribe("t")
    wire = await server.join(version)
    wire.send(publish(version, "t", b"before"), b"\0\0", publish(version, "t", b"after"))
    await wire.cut_off(0x81)
    assert await bystander.payloads() == [b"before"]
    assert server.bench.departures() == ["cut_off"]


async def test_mqtt_4_13_2_1_the_server_stops(server, version):
    """[MQTT-4.13.2-1] [MQTT-3.14.4-2], in 3.1.1 [MQTT-7.0.0-2]: MQTT 5 clients are told, and all
    are closed.
    """
    wire = await server.join(version)
    await server.bench.broker.stop()
    await wire.cut_off(0x8B)
