"""Chapter 6: MQTT over WebSocket, as the gateway serves it at `/mqtt`.

The first line of each docstring names the statements of MQTT 5, then those of MQTT 3.1.1.
"""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from wire_client import PINGREQ, connect, disconnect, publish, subscribe

from gateway.bridges.mqtt.websocket import MqttOverWebSocket
from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.codec.packets import Connack, Pingresp, Publish, Suback
from tests.packet_stream import Decoder


@pytest.fixture
async def url(server):
    """The address of a page that leads to the broker."""
    bridge = MqttOverWebSocket(
        accept=server.bench.broker.accept,
        same_origin=lambda _: True,
        max_size=100_000,
    )
    app = web.Application()
    app.router.add_get("/mqtt", bridge.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}/mqtt"
    await runner.cleanup()


@pytest.fixture
async def http():
    """A client of HTTP."""
    async with aiohttp.ClientSession() as session:
        yield session


async def packets(socket, version, count):
    """Return packets, however they are cut into messages; each message is binary [MQTT-6.0.0-1]."""
    decoder, found = Decoder(1 << 20, sender=Sender.SERVER, version=version), []
    while len(found) < count:
        message = await socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.BINARY
        found += decoder.feed(message.data)
    return found


async def test_mqtt_6_0_0_2_packets_and_messages(http, url, version):
    """[MQTT-6.0.0-1] [MQTT-6.0.0-2] [MQTT-4.2.0-1], in 3.1.1 [MQTT-6.0.0-1] [MQTT-6.0.0-2]
    [MQTT-7.1.1-1]: packets may be cut anywhere and put together anyhow.
    """
    stream = (
        connect(version)
        + subscribe(version, 1, ("t", 0))
        + publish(version, "t", b"x" * 300)
        + PINGREQ
    )
    async with http.ws_connect(url, protocols=("mqtt",)) as socket:
        for start in range(40):
            await socket.send_bytes(stream[start : start + 1])
        await socket.send_bytes(stream[40:])
        found = await packets(socket, version, 4)
        assert [type(one) for one in found] in (
            [Connack, Suback, Publish, Pingresp],
            [Connack, Pingresp, Suback, Publish],
            [Connack, Suback, Pingresp, Publish],
        )
        await socket.send_bytes(disconnect(version))
        assert (await socket.receive(timeout=10)).type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
        )


async def test_mqtt_6_0_0_1_text_ends_the_connection(http, url, server, version):
    """[MQTT-6.0.0-1], in 3.1.1 [MQTT-6.0.0-1]: MQTT travels in binary messages."""
    async with http.ws_connect(url, protocols=("mqtt",)) as socket:
        await socket.send_bytes(connect(version))
        await packets(socket, version, 1)
        await socket.send_str("text")
        assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
    await server.left()


async def test_mqtt_6_0_0_4_the_subprotocol(http, url):
    """[MQTT-6.0.0-3] [MQTT-6.0.0-4], in 3.1.1 [MQTT-6.0.0-3] [MQTT-6.0.0-4]: the server chooses
    mqtt, and no other.
    """
    async with http.ws_connect(url, protocols=("chat", "mqtt")) as socket:
        assert socket.protocol == "mqtt"
    for offered in ((), ("mqttv3.1",)):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(url, protocols=offered)
