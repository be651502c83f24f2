"""Any text through every entrance that stores or compiles it: no answer is a 5xx, no line of the
log a traceback, and the gateway serves on.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import quote

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.raw_peers import _packet

MONSTERS = [
    "\0",
    "\ud800",
    "\udfff\ud800",
    "9" * 4_000,
    "9" * 4_000 + "x",
    "-0.0000000001e-999999999",
    "1e999",
    "NaN",
    "[" * 4_000,
    '{"a":' * 1_000,
    "]" * 50,
    "+/" * 2_000 + "#",
    "/" * 4_000,
    "$share/a/#",
    "\r\nX: y",
    "\x1b]0;x\x07",
    "%00%ff",
]
TEXTS = st.one_of(
    st.sampled_from(MONSTERS),
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.builds(
        "".join, st.lists(st.sampled_from(["[", "{", '"', "\\", ":", ",", "é", "\ud800", "1"]))
    ),
)
CONFIG = "[bridges.iotio]\nanonymous = true\n[bridges.things]\nanonymous = true\n"
PATIENCE = 20.0


def raw(text: str) -> bytes:
    """Return its bytes, also those that are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def field(data: bytes) -> bytes:
    """Return a field of MQTT: its length, and it."""
    return len(data[:60_000]).to_bytes(2, "big") + data[:60_000]


def connect(key: str, will: bytes) -> bytes:
    """Return a CONNECT of MQTT 5 with a will: its topic, its payload and a user property."""
    pair = b"\x26" + field(b"n") + field(will)
    properties = bytes((len(pair),)) + pair if len(pair) < 128 else b"\0"
    body = b"\0\4MQTT\5\xc6\0\x3c\0" + field(b"odd") + properties + field(will) + field(will)
    return _packet(0x10, body + field(b"kitchen") + field(key.encode()))


def publish(topic: bytes, payload: bytes, pair: bytes = b"") -> bytes:
    """Return a PUBLISH of MQTT 5 with QoS 1; `pair`: the value of a user property."""
    written = b"\x26" + field(b"n") + field(pair) if pair else b""
    properties = bytes((len(written),)) + written if len(written) < 128 else b"\0"
    return _packet(0x32, field(topic) + b"\0\1" + properties + payload)


class Attack:
    """One gateway, a device with a key, and every entrance."""

    def __init__(self, gateway, key: str, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.key = key
        self.http = http

    async def run(self, text: str) -> None:
        """Send a text through all of them."""
        await self.by_http(text)
        await self.by_mqtt(raw(text))
        await self.by_sockets(text)
        async with self.http.get(f"{self.gateway.url}/healthz") as response:
            assert response.status == 200

    async def asked(self, method: str, path: str, body: object = None, **headers: str) -> None:
        """Send a request; whatever is wrong with it is no fault of the gateway."""
        async with self.http.request(
            method, self.gateway.url + path, data=body, headers=headers
        ) as response:
            await response.read()
            assert response.status < 500, (method, path[:80], response.status)

    async def by_http(self, text: str) -> None:
        """As bodies, forms, fields, parameters, and in paths."""
        odd, api = quote(raw(text)), "/api/v1"
        as_json = {"Content-Type": "application/json"}
        for body in (
            raw(text),
            json.dumps({"x": text, text: 1}).encode(),
            json.dumps(text).encode(),
        ):
            for path in (f"{api}/devices/kitchen/telemetry", f"{api}/devices/kitchen/telemetry/a"):
                await self.asked("POST", path, body, **as_json)
            await self.asked("POST", f"{api}/devices/kitchen/commands/led", body, **as_json)
            await self.asked("POST", "/api/iot.io", body, **as_json)
            await self.asked("POST", "/write?db=x", body)
        for name in ("id", "name", "type", "topics"):
            sent = json.dumps({"id": "odd", name: text}).encode()
            await self.asked("POST", f"{api}/devices", sent, **as_json)
        if len(odd) < 7_000:
            for path in (
                f"{api}/frames?filter={odd}",
                f"{api}/history?device={odd}&channel={odd}",
                f"{api}/history?device=kitchen&after={odd}&every={odd}",
                f"{api}/audit?action={odd}",
                f"{api}/devices/{odd}",
                f"/things/post/{odd}?s0={odd}",
                f"/things/post/kitchen?key={self.key}&s0={odd}",
                f"/things/read/{odd}",
                f"{api}/stream?filter={odd}%23%23",
            ):
                await self.asked("GET", path)

    async def by_forms(self, text: str) -> None:
        """As a form in odd charsets; few, as failed sign-ins are held back."""
        form = "application/x-www-form-urlencoded"
        sent = b"email=" + raw(text)[:3_000] + b"&password=" + raw(text)[:3_000]
        for charset in ("", "; charset=utf-7", "; charset=punycode", "; charset=unicode_escape"):
            await self.asked("POST", "/api/v1/login", sent, **{"Content-Type": form + charset})

    async def by_mqtt(self, data: bytes) -> None:
        """As topic, filter, payload, property and will; each may end its connection."""
        subscribe = _packet(0x82, b"\0\1\0" + field(data) + b"\1")
        telemetry = b"devices/kitchen/telemetry"
        for will, packet in (
            (data[:100], b""),
            (b"w", subscribe),
            (b"w", publish(data, b"1")),
            (b"w", publish(telemetry, data)),
            (b"w", publish(telemetry + b"/" + data, data)),
            (b"w", publish(telemetry, b"1", data[:100])),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.ports["mqtt"])
            with suppress(OSError):
                writer.write(connect(self.key, will))
                writer.write(packet + b"\xc0\0")
                await writer.drain()
                writer.write_eof()
                await reader.read()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def by_sockets(self, text: str) -> None:
        """As messages, and as values of their fields."""
        listens = [
            {"type": "subscribe", "id": text, "filter": "#"},
            {"type": "subscribe", "id": 1, "filter": text},
            {"type": "command", "id": 2, "device": text, "name": text, "value": text},
            {"type": text},
        ]
        of_sensors = [{"sensor": text, "status": text}, {"get": text}, {text: text}]
        hello = f"/ws?device=kitchen&key={self.key}&side=device"
        for path, messages in (
            ("/api/v1/ws", listens),
            (hello, of_sensors),
            ("/iot.io?device=kitchen", of_sensors),
        ):
            with suppress(aiohttp.ClientError, OSError):
                async with self.http.ws_connect(self.gateway.url + path) as socket:
                    for each in messages:
                        await socket.send_str(json.dumps(each))
                    await socket.send_bytes(raw(text))
                    with suppress(UnicodeEncodeError):
                        await socket.send_str(text)
                    await socket.close()


async def test_any_text_through_every_entrance(tmp_path):
    """The monsters first, then what Hypothesis finds."""
    async with daemon(tmp_path, CONFIG) as gateway:
        key = await gateway.add("kitchen")
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(
            headers=gateway.headers, timeout=aiohttp.ClientTimeout(total=PATIENCE)
        ) as http:
            attack = Attack(gateway, key, http)
            for text in MONSTERS:
                await attack.run(text)
            await asyncio.gather(*map(attack.by_forms, MONSTERS[:3]))

            @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
            @given(TEXTS)
            def everywhere(text: str) -> None:
                asyncio.run_coroutine_threadsafe(attack.run(text), loop).result(4 * PATIENCE)

            await asyncio.to_thread(everywhere)
            log = gateway.log.read_text(errors="replace")
            assert "Traceback" not in log, log[-3_000:]
