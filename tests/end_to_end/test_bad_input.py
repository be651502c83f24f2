"""Bad input has a clear error at every entrance, costs nobody else anything, and loses nothing that
is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import paho.mqtt.client as paho
import pytest

from tests.end_to_end.conftest import MqttDevice, house
from tests.end_to_end.daemon_process import ROOT, daemon
from tests.end_to_end.raw_peers import connect_packet, publish_packet, subscribe_packet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.conftest import House

NO_FILTERS = ["a/#/b", "", "a+", "#/a", "a/b#"]
NO_CURSORS = ["x", "-1", "1.5", "9" * 40, "٣", ""]
DEEP = b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
DEEPER_THAN_ALLOWED = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"
ROUTE = {"topic": "plant/{device}", "decode": "json", "channel": "state"}
TEN_MB = 10 << 20


@contextlib.asynccontextmanager
async def kitchen(tmp_path: Any, **tables: Any) -> AsyncIterator[House]:
    """Run a gateway with one device and one frame; at the end the frame is still there, and ingest
    works.
    """
    async with house(tmp_path, **tables) as home:
        await home.add("kitchen", grants=["plant/kitchen"])
        first = await telemetry(home, b"1")
        yield home
        assert (await home.get("/frames", filter="kitchen/x", after=first - 1, limit=1))["frames"][
            0
        ]["seq"] == first
        assert await telemetry(home, b"2") > first


async def telemetry(home: House, data: bytes) -> int:
    """Post a reading of the kitchen; return its seq."""
    async with home.http.post(
        f"{home.url}/api/v1/devices/kitchen/telemetry/x", data=data
    ) as response:
        assert response.status == 200, await response.text()
        return int((await response.json())["seq"])


async def problem(
    home: House, method: str, path: str, **options: Any
) -> tuple[int, dict[str, Any]]:
    """Make a request that goes wrong; return its status and problem."""
    async with home.http.request(method, f"{home.url}{path}", **options) as response:
        assert response.content_type == "application/problem+json", await response.text()
        body = await response.json()
        assert body["status"] == response.status
        assert body["detail"], body
        return response.status, body


@contextlib.asynccontextmanager
async def mqtt(home: House, key: str | None = None) -> AsyncIterator[Mqtt]:
    """Connect the kitchen on a bare socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", home.gateway.ports["mqtt"])
    peer = Mqtt(reader, writer)
    try:
        peer.write(connect_packet("kitchen", key or home.keys["kitchen"]))
        assert await peer.read(4) == b"\x20\x02\x00\x00"
        yield peer
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Mqtt:
    """A bare MQTT socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readexactly(count)

    async def alive(self) -> bool:
        self.write(b"\xc0\x00")
        return await self.read(2) == b"\xd0\x00"

    async def closed(self) -> None:
        """Read to the end; the gateway has closed."""
        async with asyncio.timeout(10):
            try:
                while await self._reader.read(65_536):
                    pass
            except ConnectionError:
                pass


# Who are you?


async def test_a_wrong_key_or_an_unknown_device_over_mqtt(home):
    """CONNACK says not authorized, whichever of the two is wrong; no state comes of it."""
    for name, key in (("kitchen", "wrong"), ("nobody", home.keys["kitchen"])):
        for protocol in (paho.MQTTv311, home.protocol):
            device = MqttDevice(name, key, home.gateway.ports["mqtt"], protocol=protocol)
            home.clients.append(device.client)
            with pytest.raises(AssertionError, match=r"(?i)not authori[sz]ed|bad user"):
                await device.connect()
    assert not home.gateway.core.presence.is_online("kitchen")
    await home.device("kitchen")


async def test_a_wrong_key_over_http(tmp_path):
    """401 and a problem; and 404 for a device that is not there only to who may know."""
    async with kitchen(tmp_path) as home:
        path = "/api/v1/devices/kitchen/telemetry"
        for headers in (
            {"Authorization": "Bearer wrong"},
            {"Authorization": aiohttp.encode_basic_auth("kitchen", "no")},
        ):
            assert (await problem(home, "POST", path, data=b"1", headers=headers))[0] == 401
        status, said = await problem(home, "POST", "/api/v1/devices/nobody/telemetry", data=b"1")
        assert (status, said["code"]) == (404, "not_found")
        headers = {"Authorization": "Bearer wrong"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await home.http.ws_connect(f"{home.url}/api/v1/ws", headers=headers)
        assert raised.value.status == 401


async def test_a_topic_that_is_not_permitted(home):
    """It makes no frame, the device stays connected, and MQTT 5 is told."""
    await home.add("hall")
    async with home.listen("#") as listening, mqtt(home) as peer:
        peer.write(publish_packet("devices/hall/telemetry/x", b"1", 7))
        assert await peer.read(4) == b"\x40\x02\x00\x07"  # MQTT 3.1.1 has no other answer
        peer.write(publish_packet("devices/kitchen/telemetry/x", b"2", 8))
        assert await peer.read(4) == b"\x40\x02\x00\x08"
        frame = await listening.frame(lambda frame: frame["type"] == "telemetry")
        assert (frame["device"], frame["value"]) == ("kitchen", 2)
        peer.write(subscribe_packet("devices/hall/#"))
        assert await peer.read(5) == b"\x90\x03\x00\x01\x80"
        assert await peer.alive()


# What is this?


async def test_malformed_json_over_mqtt(tmp_path):
    """A route that wants JSON keeps what is none in the rejected list, and the device stays
    connected.
    """
    async with kitchen(tmp_path, routes=[ROUTE]) as home, mqtt(home) as peer:
        for number, payload in enumerate((b'{"a":', b"\xff\xfe", DEEP, b"NaN"), 1):
            peer.write(publish_packet("plant/kitchen", payload, number))
            assert await peer.read(4) == b"\x40\x02\x00" + bytes([number])
        for number, payload in enumerate((DEEP, DEEPER_THAN_ALLOWED), 8):
            peer.write(publish_packet("devices/kitchen/telemetry", payload, number))
            assert await peer.read(4) == b"\x40\x02\x00" + bytes([number])
        assert await peer.alive()
        kept = (await home.get("/rejected"))["rejected"]
        assert [entry["topic"] for entry in kept] == [
            *["devices/kitchen/telemetry"] * 2,
            *["plant/kitchen"] * 4,
        ]
        assert all(entry["reason"] for entry in kept)
        peer.write(publish_packet("plant/kitchen", b'{"a":1}', 10))
        assert await peer.read(4) == b"\x40\x02\x00\x0a"
        assert (await home.get("/devices/kitchen/latest"))["state"]["value"] == {"a": 1}


async def test_malformed_json_over_http(tmp_path):
    """400 and a problem that says where; telemetry that was rejected is in the list."""
    async with kitchen(tmp_path) as home:
        for data in (b'{"a":', DEEP, b"[1,"):
            for path in ("telemetry", "telemetry/x"):
                status, said = await problem(
                    home, "POST", f"/api/v1/devices/kitchen/{path}", data=data
                )
                assert (status, said["code"]) == (400, "untranslatable"), data[:20]
            status, _ = await problem(
                home, "POST", "/api/v1/devices/kitchen/commands/led", data=data
            )
            assert status == 400
            status, _ = await problem(home, "POST", "/api/v1/devices", data=data)
            assert status == 400
        assert (await home.get("/devices/kitchen/latest")).keys() >= {"x"}
        await telemetry(home, b"4")  # what came before is stored with it
        assert len((await home.get("/rejected"))["rejected"]) == 6


async def test_malformed_messages_over_websocket(tmp_path):
    """Each gets an error with its id where it has one, and the connection stays open."""
    async with kitchen(tmp_path) as home, home.listen("kitchen/#", snapshot=False) as listening:
        for text in (
            "{",
            "",
            "[]",
            "1",
            '{"type":"x","id":5}',
            '{"id":5}',
            DEEP.decode(),
            '{"type":"subscribe","id":5}',
        ):
            await listening.socket.send_str(text)
            answer = await listening.next()
            assert (answer["type"], answer["code"]) == ("error", "invalid"), text[:40]
            assert answer["message"]
            assert answer["id"] == (5 if '"id":5' in text else None)
        await listening.socket.send_bytes(b"\x00")
        assert (await listening.next())["type"] == "error"
        await listening.socket.send_json(
            {"type": "command", "id": 6, "device": "nobody", "name": "led"}
        )
        assert (await listening.next())["code"] == "not_found"
        seq = await telemetry(home, b"3")
        assert (await listening.frame())["seq"] == seq


async def test_filters_that_are_none(tmp_path):
    """WebSocket, event stream, /frames and SUBSCRIBE each say so."""
    async with kitchen(tmp_path) as home, home.listen() as listening:
        for text in NO_FILTERS:
            await listening.socket.send_json({"type": "subscribe", "id": text, "filter": text})
            answer = await listening.next()
            assert (answer["type"], answer["id"], answer["code"]) == (
                "error",
                text,
                "invalid_topic",
            )
            for path in ("/api/v1/stream", "/api/v1/frames"):
                status, said = await problem(home, "GET", path, params={"filter": text})
                assert status == 400, path
                assert "filter" in said["detail"], said
            async with mqtt(
                home
            ) as peer:  # a malformed packet ends this one connection (MQTT-4.7.1-1)
                peer.write(subscribe_packet(text))
                await peer.closed()
        await listening.socket.send_json({"type": "ping"})
        assert await listening.next() == {"type": "pong"}


async def test_cursors_from_the_future(tmp_path):
    """A cursor above the newest seq is from another database: an error, and on SSE a gap."""
    async with kitchen(tmp_path) as home, home.listen() as listening:
        await listening.socket.send_json(
            {"type": "subscribe", "id": 1, "filter": "#", "since": 10**9}
        )
        answer = await listening.next()
        assert (answer["type"], answer["id"], answer["code"]) == ("error", 1, "future_cursor")
        status, said = await problem(home, "GET", "/api/v1/frames", params={"after": 10**9})
        assert (status, said["code"]) == (400, "future_cursor")
        url, sign_in = f"{home.url}/api/v1/stream", {"Authorization": f"Bearer {home.token}"}
        async with asyncio.timeout(60):
            for query, more in (({"after": 10**9}, {}), ({}, {"Last-Event-ID": str(10**9)})):
                async with home.http.get(url, params=query, headers=sign_in | more) as stream:
                    assert stream.status == 200
                    await stream.content.readuntil(b"\n\n")  # how long to wait before a retry
                    assert b"event: gap" in await stream.content.readuntil(b"\n\n")


async def test_cursors_that_are_none(tmp_path):
    """What is no number is an error that names the parameter."""
    async with kitchen(tmp_path) as home, home.listen() as listening:
        for text in NO_CURSORS:
            for path in ("/api/v1/stream", "/api/v1/frames"):
                status, said = await problem(home, "GET", path, params={"after": text})
                assert status == 400, (path, text)
                assert "after" in json.dumps(said), said
            if text != "1.5":  # as a cursor of history looks
                params = {"device": "kitchen", "after": text}
                assert (await problem(home, "GET", "/api/v1/history", params=params))[0] == 400
            await listening.socket.send_json(
                {"type": "subscribe", "id": 1, "filter": "#", "since": text}
            )
            assert (await listening.next())["code"] == "invalid"
        for value in (-1, 1.5, True, []):
            await listening.socket.send_json(
                {"type": "subscribe", "id": 1, "filter": "#", "since": value}
            )
            assert (await listening.next())["code"] == "invalid", value


# Too much


async def test_ten_megabytes_over_mqtt(home):
    """The connection ends with packet too large where the version has a word for it; others go
    on.
    """
    async with home.listen("kitchen/x") as listening:
        other = await home.device("kitchen")
        async with mqtt(home) as peer:
            peer.write(publish_packet("devices/kitchen/telemetry/x", b"1" * TEN_MB, 1))
            await peer.closed()
        await other.publish("devices/kitchen/telemetry/x", "2")
        assert (await listening.frame())["value"] == 2


async def test_ten_megabytes_over_http_and_websocket(tmp_path):
    """413; close code 1009; and MQTT over WebSocket is closed."""
    async with kitchen(tmp_path) as home:
        data = b"1" * TEN_MB
        for path in ("telemetry", "telemetry/x", "commands/led"):
            status, said = await problem(
                home, "POST", f"/api/v1/devices/kitchen/{path}", data=io.BytesIO(data)
            )
            assert (status, said["code"]) == (413, "too_large")
        for code, size in (
            (1009, 1 << 18),
            (None, TEN_MB),
        ):  # of the larger, a reset may overtake the goodbye
            text = "1" * size
            async with home.http.ws_connect(f"{home.url}/api/v1/ws") as socket:
                assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT
                assert await _refused(socket, text) in {1009, code or 1006}
            async with home.http.ws_connect(f"{home.url}/mqtt", protocols=["mqtt"]) as socket:
                await socket.send_bytes(connect_packet("kitchen", home.keys["kitchen"]))
                assert (await socket.receive(timeout=10)).data == b"\x20\x02\x00\x00"
                packet = publish_packet("devices/kitchen/telemetry/x", text.encode(), 1)
                assert await _refused(socket, packet) in {1009, 1006, 1000}


async def _refused(socket: aiohttp.ClientWebSocketResponse, data: str | bytes) -> int | None:
    """Send what is too large; return the code that the connection ended with."""
    with contextlib.suppress(ConnectionError):  # closed before all was sent
        await (socket.send_str(data) if isinstance(data, str) else socket.send_bytes(data))
    while (await socket.receive(timeout=10)).type not in {
        aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR
    }:  # fmt: skip
        pass
    return socket.close_code


# Not the protocol at all


async def test_garbage_on_the_ports(tmp_path):
    """What is neither MQTT nor HTTP is closed, changes nothing, and costs nobody else anything."""
    async with kitchen(tmp_path) as home, mqtt(home) as neighbour:
        for port in (home.gateway.ports["mqtt"], home.gateway.ports["http"]):
            for garbage in (
                b"\x00" * 100,
                b"\xff" * 100,
                b"SSH-2.0-x\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                bytes(range(256)),
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                peer = Mqtt(reader, writer)
                peer.write(garbage)
                await peer.closed()
                writer.transport.abort()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        assert await neighbour.alive()
        assert home.gateway.mqtt.broker.statistics()["connections"] == 1


async def test_half_open_connections(tmp_path):
    """Who connects and says nothing, or half of it, keeps nobody out."""
    async with kitchen(tmp_path, limits={"connections": 50}) as home:
        silent = []
        for number in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", home.gateway.ports["mqtt"])
            writer.write(connect_packet("kitchen", "x" * 20)[: number % 10])
            silent.append((reader, writer))
        try:
            async with mqtt(home) as peer:
                assert await peer.alive()
        finally:
            for _, writer in silent:
                writer.transport.abort()
            await asyncio.gather(
                *(writer.wait_closed() for _, writer in silent), return_exceptions=True
            )


async def test_errors_of_the_command_line_at_a_running_gateway(tmp_path):
    """A filter that is none and a device that is not there are one line each, and exit status 1."""
    async with daemon(tmp_path) as gateway:
        for arguments, says in (
            (["tail", "a/#/b"], "filter"),
            (["send", "nobody", "led", "1"], "nobody"),
        ):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", *arguments, "--config", str(gateway.config),
                env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(30):
                _, said = await process.communicate()
            assert process.returncode == 1, said
            assert says in said.decode()
            assert said.decode().count("\n") == 1


async def test_a_routed_message_that_fits_no_device_is_in_the_list_with_its_reason(tmp_path):
    """A name with spaces, or of a device that was never added, is said in words; nothing
    vanishes.
    """
    routes = [{"topic": "zigbee2mqtt/{device}", "decode": "json"}]
    async with house(tmp_path, routes=routes) as here:
        bridge = MqttDevice("token", here.token, here.gateway.ports["mqtt"], protocol=here.protocol)
        here.clients.append(bridge.client)
        await bridge.connect()
        for name in ("Living room lamp", "Küche", "plug"):
            await bridge.publish(f"zigbee2mqtt/{name}", b'{"state":"ON"}')
        rejected = (await here.get("/rejected"))["rejected"]
        reasons = {row["topic"].partition("/")[2]: row["reason"] for row in rejected}
        assert "'Living room lamp' is not a device id" in reasons["Living room lamp"]
        assert "'Küche' is not a device id" in reasons["Küche"]
        assert "there is no device 'plug'" in reasons["plug"]
        await here.add("plug")
        await bridge.publish("zigbee2mqtt/plug", b'{"state":"ON"}')
        assert (await here.get("/devices/plug/latest"))["state"]["value"] == "ON"
