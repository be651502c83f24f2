"""Section 4.1: how long a session lasts, in MQTT 5 by its expiry interval.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import connect, disconnect, props

from gateway.broker.embedded.codec.packets import Connack


async def test_mqtt_4_1_0_1_a_session_lasts_with_its_connection(server, version):
    """[MQTT-4.1.0-1] [MQTT-4.2.0-1], in 3.1.1 [MQTT-4.1.0-1] [MQTT-4.1.0-2] [MQTT-7.1.1-1]: as long
    as it is open.
    """
    wire = await server.join(version)
    await wire.subscribe("t", options=1)
    server.after(1_000_000)
    await (await server.join(version, "source")).publish("t", b"x", 1)
    assert await wire.payloads() == [b"x"]


@pytest.mark.parametrize("ends", ["goodbye", "lost"])
async def test_mqtt_4_1_0_2_a_session_expires(server, ends):
    """[MQTT-4.1.0-2] [MQTT-3.1.2-23]: it is there until the interval after the connection has
    passed, and then not.

    The broker's own time is that of its last sweep: what it takes for 5 seconds may be half a
    second less.
    """
    asked = props(5, session_expiry_interval=5)
    wire = await server.join(5, clean=False, properties=asked)
    server.after(100)
    for seconds, present in ((2, True), (5, True), (7, False)):
        if ends == "goodbye":
            wire.send(disconnect(5))
            await wire.rest()
        else:
            wire.abort()
        await server.bench.until(lambda: not list(server.bench.broker.connections()))
        server.after(seconds)
        wire = await server.join(5, clean=False, properties=asked)
        assert wire.connack.session_present is present


async def test_mqtt_4_1_0_2_no_interval(server):
    """[MQTT-4.1.0-2]: without an interval, or with 0, the session ends with its connection."""
    for asked in ({}, {"session_expiry_interval": 0}):
        wire = await server.join(5, clean=False, properties=props(5, **asked))
        await wire.subscribe("t", options=1)
        wire.send(disconnect(5))
        await wire.rest()
    assert not (await server.join(5, keep=True)).connack.session_present


async def test_session_expiry_at_disconnect(server):
    """[MQTT-4.1.0-2]: DISCONNECT may set another interval, but none where there was none
    (3.14.2.2.2).
    """
    wire = await server.join(5, clean=False, properties=props(5, session_expiry_interval=1))
    wire.send(disconnect(5, session_expiry_interval=50))
    await wire.rest()
    server.after(40)
    wire = await server.join(5, keep=True)
    assert wire.connack.session_present
    wire.send(disconnect(5, session_expiry_interval=0))
    await wire.rest()
    wire = await server.join(5)
    assert not wire.connack.session_present
    wire.send(disconnect(5, session_expiry_interval=50))
    await wire.cut_off(0x82)


async def test_session_expiry_that_is_granted(server):
    """[MQTT-3.1.2-23]: an interval above the server's is cut, and the client told; 0xFFFFFFFF asks
    for ever.
    """
    for asked, told in ((100_000, None), (100_001, 100_000), (0xFFFFFFFF, 100_000), (0, None)):
        wire = await server.join(5, properties=props(5, session_expiry_interval=asked))
        assert wire.connack.properties.session_expiry_interval == told


async def test_mqtt_4_5_0_1_every_subscriber_gets_it(server, version):
    """[MQTT-4.5.0-1], in 3.1.1 [MQTT-4.5.0-1]: a message goes to the session of each subscriber,
    there or not.
    """
    for number in range(3):
        wire = await server.join(version, f"away{number}", keep=True)
        await wire.subscribe("t", options=1)
        wire.send(disconnect(version))
        await wire.rest()
    here = await server.join(version, "here")
    await here.subscribe("+", options=1)
    await (await server.join(version, "source")).publish("t", b"x", 1)
    wires = [here, *[await server.join(version, f"away{number}", keep=True) for number in range(3)]]
    assert [await wire.payloads() for wire in wires] == [[b"x"]] * 4


async def test_qos_0_is_not_queued(server, version):
    """A message with QoS 0 is for those who are there (4.1 leaves it open)."""
    wire = await server.join(version, keep=True)
    await wire.subscribe("t", options=2)
    wire.send(disconnect(version))
    await wire.rest()
    await (await server.join(version, "source")).publish("t", b"x", 0)
    assert await (await server.join(version, keep=True)).messages() == []


async def test_a_session_moves_between_versions(server):
    """A client may come back with the other version and finds its session."""
    wire = await server.join(4, keep=True)
    await wire.subscribe("t", options=1)
    wire.send(disconnect(4))
    await wire.rest()
    await (await server.join(5, "source")).publish("t", b"x", 1, user_property=(("a", "b"),))
    again = await server.join(5, keep=True)
    assert again.connack.session_present
    assert [one.properties.user_property for one in await again.messages()] == [(("a", "b"),)]
    wire = await server.join(4, keep=True)
    assert wire.connack.session_present
    assert await wire.payloads() == [b"x"]


async def test_another_user_with_the_same_client_id(server, version):
    """[MQTT-3.1.4-3], in 3.1.1 [MQTT-3.1.4-2]: a client id belongs to who signed in, so no one
    takes another's over.
    """
    wire = await server.join(version, "same", keep=True, username="one")
    other = await server.dial(version)
    other.send(connect(version, "same", clean=False, username="two", properties=props(version)))
    assert not (await other.get(Connack)).session_present
    assert await wire.so_far() == []


async def test_sessions_kept_and_clean_in_turn(server, version):
    """[MQTT-3.1.2-4] [MQTT-4.1.0-1], in 3.1.1 [MQTT-3.1.2-6] [MQTT-4.1.0-1]: a clean connection
    between two that keep their session ends what the first one had, and leaves nothing to the next.
    """
    source = await server.join(version, "source")
    for _ in range(2):
        for keep in (True, False):
            wire = await server.join(version, keep=keep)
            assert not wire.connack.session_present
            await source.publish("t", b"nobody's", 1)
            assert await wire.so_far() == []
            await wire.subscribe("t", options=1)
            gone = len(server.bench.departures())
            wire.abort()
            await server.left(gone + 1)
    assert server.bench.count("subscriptions") == 0
    assert server.bench.count("sessions") == 1
