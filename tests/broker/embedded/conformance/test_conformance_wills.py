"""Wills (3.1.2.5, 3.1.3.2).

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import pytest
from wire_client import connect, disconnect, packet, props, publish, subscribe, text, two, will

from gateway.broker.embedded.codec.packets import Publish

RETAIN = 0x20


@pytest.fixture
async def watch(server, version):
    """A client that gets the wills."""
    wire = await server.join(version, "watch")
    await wire.subscribe("w/#", options=2)
    return wire


async def mortal(server, version, **more):
    """Return a client with a will, and perhaps with its properties and those of its CONNECT."""
    asked = {name: more.pop(name) for name in ("session_expiry_interval",) if name in more}
    options = {
        name: more.pop(name) for name in ("will_flags", "keep_alive", "clean") if name in more
    }
    return await server.join(
        version,
        "mortal",
        will=will(version, "w/1", **more),
        properties=props(version, **asked),
        **options,
    )


@pytest.mark.parametrize("end", ["lost", "keep-alive", "protocol error", "taken over", "too large"])
async def test_mqtt_3_1_2_8_a_will_is_published(server, version, watch, end):
    """[MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-10], in 3.1.1 [MQTT-3.1.2-8] [MQTT-3.1.2-10]: once,
    however the connection ends but by DISCONNECT.
    """
    wire = await mortal(server, version, keep_alive=10)
    if end == "lost":
        wire.abort()
    elif end == "keep-alive":
        server.after(17)
    elif end == "protocol error":
        wire.send(packet(0x36, text("t")))
    elif end == "taken over":
        await server.join(version, "mortal")
    else:
        wire.send(b"\x30\xff\xff\xff\x7f")
    assert (await watch.get(Publish)).payload == b"gone"
    server.after(100)
    assert await watch.messages() == []


async def test_mqtt_3_14_4_3_no_will_after_disconnect(server, version, watch):
    """[MQTT-3.14.4-3] [MQTT-3.1.2-8] [MQTT-3.1.2-10], in 3.1.1 [MQTT-3.14.4-3] [MQTT-3.1.2-10]:
    DISCONNECT takes the will away.
    """
    wire = await mortal(server, version)
    wire.send(disconnect(version))
    await wire.rest()
    await server.left()
    server.after(100)
    assert await watch.messages() == []


async def test_disconnect_with_will(server, watch_5):
    """[MQTT-3.14.4-3] [MQTT-3.1.2-8]: DISCONNECT with reason 0x04, or another than 0, publishes
    it.
    """
    for reason in (0x04, 0x80, 0x93):
        wire = await mortal(server, 5)
        wire.send(disconnect(5, reason))
        assert (await watch_5.get(Publish)).payload == b"gone", reason


@pytest.fixture
async def watch_5(server):
    """A client of MQTT 5 that gets the wills."""
    wire = await server.join(5, "watch")
    await wire.subscribe("w/#", options=2)
    return wire


async def test_mqtt_3_1_2_12_no_will(server, version, watch):
    """In 3.1.1 [MQTT-3.1.2-12]: without a will nothing is published."""
    (await server.join(version)).abort()
    await server.left()
    assert await watch.messages() == []


async def test_a_refused_connect_leaves_no_will(server, version, watch):
    """[MQTT-3.1.2-7], in 3.1.1 [MQTT-3.1.2-8]: the will of a client that was not let in is not
    published.
    """
    wire = await server.dial(version)
    wire.send(connect(version, username="nobody", will=will(version, "w/1")))
    await wire.turned_away(0x86, 4)
    assert await watch.messages() == []


@pytest.mark.parametrize("part", ["topic", "payload"])
async def test_mqtt_3_1_2_9_the_will_is_all_there(server, version, part):
    """[MQTT-3.1.2-9], in 3.1.1 [MQTT-3.1.2-9]: a will flag without topic or payload is
    malformed.
    """
    rest = text("c") + (props(version) + text("w") if part == "payload" else b"")
    wire = await server.dial(version)
    wire.send(packet(0x10, text("MQTT"), bytes((version, 0x06)), two(0), props(version), rest))
    await wire.turned_away(0x81)


async def test_mqtt_3_1_2_11_no_will_fields_without_a_will(server, version):
    """[MQTT-3.1.2-11] [MQTT-3.1.2-13], in 3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15]:
    without the will flag its QoS and retain are 0, and nothing of it is in the payload.
    """
    for flags in (0x8A, 0x92, 0x9A, 0xA2):
        wire = await server.dial(version)
        wire.send(connect(version, flags=flags))
        await wire.turned_away(0x81)
    wire = await server.dial(version)
    wire.send(connect(version, flags=0x02, username=None, will=will(version, "w")))
    await wire.turned_away(0x81)


async def test_mqtt_3_1_2_12_no_will_qos_3(server, version):
    """[MQTT-3.1.2-12], in 3.1.1 [MQTT-3.1.2-14]: a will with QoS 3 is malformed."""
    wire = await server.dial(version)
    wire.send(connect(version, will=will(version, "w"), will_flags=0x1C))
    await wire.turned_away(0x81)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [0, RETAIN])
async def test_mqtt_3_1_2_14_qos_and_retain_of_a_will(server, version, watch, qos, retain):
    """[MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.2.2-12] [MQTT-3.2.2-13], in 3.1.1 [MQTT-3.1.2-16]
    [MQTT-3.1.2-17]: it is published with its QoS, and retained where it says so and only there.
    """
    (await mortal(server, version, will_flags=0x04 | qos << 3 | retain)).abort()
    found = await watch.get(Publish)
    assert (found.qos, found.retain) == (qos, False)
    late = await server.join(version, "late")
    late.send(subscribe(version, 1, ("w/#", 2)))
    assert [(one.qos, one.retain) for one in await late.messages()] == (
        [(qos, True)] if retain else []
    )


async def test_a_will_that_is_forbidden(server, version):
    """[MQTT-3.1.4-2], in 3.1.1 [MQTT-3.2.2-5]: a will on a topic where the client may not publish
    keeps it out.
    """
    wire = await server.dial(version)
    wire.send(connect(version, will=will(version, "forbidden/w")))
    await wire.turned_away(0x87, 5)


@pytest.mark.parametrize("topic", ["w/+", "#", ""])
async def test_a_will_topic_is_a_topic(server, version, topic):
    """[MQTT-4.7.0-1] [MQTT-4.7.3-1], in 3.1.1 [MQTT-4.7.1-1] [MQTT-4.7.3-1]: no wildcard, and not
    empty.
    """
    wire = await server.dial(version)
    wire.send(connect(version, will=will(version, topic)))
    await wire.turned_away(0x90)


async def test_mqtt_3_1_3_9_no_will_when_the_client_is_back(server, watch_5):
    """[MQTT-3.1.3-9] [MQTT-3.1.2-8]: back before the delay has passed, the client's will is not
    published.
    """
    wire = await mortal(server, 5, will_delay_interval=10, session_expiry_interval=100)
    wire.abort()
    await server.left()
    server.after(8)
    again = await server.join(5, "mortal", keep=True)
    assert again.connack.session_present
    server.after(100)
    assert await watch_5.messages() == []


@pytest.mark.parametrize(
    ("delay", "expiry", "seconds"), [(5, 100, 5), (100, 5, 5), (5, 0, 0), (0, 100, 0)]
)
async def test_mqtt_3_1_2_8_will_delay(server, watch_5, delay, expiry, seconds):
    """[MQTT-3.1.2-8]: it comes when its delay has passed or the session ends, whichever is first,
    and not earlier.

    The broker's own time is that of its last sweep: what it takes for these seconds may be half a
    second less.
    """
    wire = await mortal(server, 5, will_delay_interval=delay, session_expiry_interval=expiry)
    wire.abort()
    await server.left()
    if seconds:
        server.after(seconds)
        assert await watch_5.messages() == []
        server.after(1)
    assert await watch_5.payloads() == [b"gone"]


async def test_mqtt_3_1_2_8_a_clean_start_ends_the_delay(server, watch_5):
    """[MQTT-3.1.2-8]: a clean start ends the session before, so its will is due."""
    wire = await mortal(server, 5, will_delay_interval=50, session_expiry_interval=100)
    wire.abort()
    await server.left()
    assert await watch_5.messages() == []
    await server.join(5, "mortal", clean=True)
    assert await watch_5.payloads() == [b"gone"]


async def test_mqtt_3_1_3_10_properties_of_a_will(server, watch_5):
    """[MQTT-3.1.3-10] [MQTT-3.3.2-17]: they are published with it, user properties in order."""
    fields = {
        "user_property": (("b", "1"), ("a", "2"), ("b", "1")), "content_type": "text",
        "response_topic": "r",
        "correlation_data": b"c", "payload_format_indicator": 1, "message_expiry_interval": 9,
    }  # fmt: skip
    (await mortal(server, 5, **fields)).abort()
    found = (await watch_5.get(Publish)).properties
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.will_delay_interval is None


async def test_a_will_before_its_own_session(server, watch_5):
    """[MQTT-3.1.2-10]: a will that was published is not published again when the session ends."""
    wire = await mortal(server, 5, will_delay_interval=5, session_expiry_interval=20)
    wire.abort()
    await server.left()
    server.after(10)
    assert await watch_5.payloads() == [b"gone"]
    server.after(100)
    assert await watch_5.messages() == []


async def test_a_will_of_a_publisher_comes_last(server, version, watch):
    """[MQTT-4.6.0-5], in 3.1.1 [MQTT-4.6.0-6]: what a client sent before it was lost comes before
    its will.
    """
    wire = await mortal(server, version)
    wire.send(publish(version, "w/1", b"alive", 0))
    await wire.so_far()
    wire.abort()
    assert [(await watch.get(Publish)).payload for _ in range(2)] == [b"alive", b"gone"]
