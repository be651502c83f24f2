"""What the process weighs when somebody has filled a bound: the table of docs/architecture.md
counts bytes as memory holds them, not as they came.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiohttp
import pytest

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Connect,
    Properties,
    Publish,
    Subscribe,
    Subscription,
)
from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.mqtt_wire import Wire

MB = 1024  # KB
NOISE = 24 * MB  # the caches of SQLite, what the allocator keeps, and a first use of anything
PAIRS = tuple((f"a{number}", f"b{number}") for number in range(100))
AT_ONCE = 500


@pytest.fixture
async def gateway(tmp_path):
    """A gateway in a process of its own."""
    async with daemon(tmp_path) as running:
        yield running


async def device(gateway, key: str, **options) -> Wire:
    """Connect as the kitchen."""
    wire = await Wire.tcp(gateway.ports["mqtt"])
    assert await wire.sign_in("kitchen", key, **options) == 0
    return wire


async def leave_session(gateway, key: str, name: str, filters: list[str]) -> None:
    """Subscribe, and go away without ending the session."""
    kept = Properties(session_expiry_interval=86_400)
    async with await device(gateway, key, client_id=name, properties=kept) as wire:
        for first in range(0, len(filters), 100):
            some = tuple(Subscription(each, 1) for each in filters[first : first + 100])
            await wire.send(Subscribe(first + 1, some))
        await wire.ping()


async def flood(wire: Wire, packets: list[bytes]) -> None:
    """Publish with QoS 1, some at a time, and wait for all acknowledgements."""
    for first in range(0, len(packets), AT_ONCE):
        some = packets[first : first + AT_ONCE]
        await wire.send_bytes(b"".join(some))
        await wire.acknowledged(len(some))


def message(topic: str, number: int, **more) -> bytes:
    """Return a PUBLISH of MQTT 5 with QoS 1."""
    more.setdefault("payload", b"1")
    return encode(Publish(topic, qos=1, packet_id=number % 60_000 + 1, **more), 5)


async def test_a_queue_of_messages_that_are_all_properties(gateway):
    """10a: a session holds 8 MB of memory, however few bytes were sent for it."""
    key = await gateway.add("kitchen")
    await leave_session(gateway, key, "away", ["devices/kitchen/mail"])
    async with await device(gateway, key) as wire:
        await flood(wire, [message("devices/kitchen/mail", n) for n in range(AT_ONCE)])
        before = gateway.memory()
        pairs = Properties(user_property=PAIRS)
        await flood(
            wire, [message("devices/kitchen/mail", n, properties=pairs) for n in range(4_000)]
        )
        assert gateway.memory() - before < 2 * 8 * MB + NOISE


async def test_retained_messages_that_are_all_properties(gateway):
    """10b: what is retained for one user's devices is 32 MB of memory."""
    key = await gateway.add("kitchen")
    pairs = Properties(user_property=PAIRS)
    async with await device(gateway, key) as wire:
        before = gateway.memory()
        await flood(
            wire,
            [
                message(f"devices/kitchen/r/{n}", n, retain=True, properties=pairs)
                for n in range(8_000)
            ],
        )
        assert gateway.memory() - before < 1.5 * 32 * MB + NOISE


async def test_retained_topics_of_many_levels(gateway):
    """10c: the levels of a topic are counted."""
    key = await gateway.add("kitchen")
    deep = "/a" * 150
    async with await device(gateway, key) as wire:
        before = gateway.memory()
        await flood(
            wire,
            [message(f"devices/kitchen/{n}{deep}", n, retain=True) for n in range(4_000)],
        )
        assert gateway.memory() - before < 2 * 32 * MB + NOISE


async def test_filters_of_many_levels(gateway):
    """10d: the filters of a session are 2 MB of memory, those of all sessions of a user 64 MB."""
    key = await gateway.add("kitchen")
    before = gateway.memory()
    for number in range(50):
        filters = [f"devices/kitchen/{number}-{n}" + "/a" * 120 for n in range(200)]
        await leave_session(gateway, key, f"away{number}", filters)
    assert gateway.memory() - before < 2 * 64 * MB + NOISE


async def test_ids_of_websocket_subscriptions(gateway):
    """10e: an id is short, so a hundred of them are nothing."""
    before = gateway.memory()
    async with aiohttp.ClientSession(headers=gateway.headers) as http:
        sockets = [await http.ws_connect(f"{gateway.url}/api/v1/ws") for _ in range(20)]
        for socket in sockets:
            for number in range(20):
                asked = {"type": "subscribe", "id": f"{number}" + "x" * 200_000, "filter": "#"}
                await socket.send_str(json.dumps(asked))
                while (said := await socket.receive_json())["type"] == "hello":
                    pass
                assert said["type"] == "error", said
        assert gateway.memory() - before < NOISE
        for socket in sockets:
            await socket.close()


async def test_answers_that_are_not_read(gateway):
    """10f: an answer of JSON ends at about a megabyte, and says where it goes on."""
    key = await gateway.add("kitchen")
    async with aiohttp.ClientSession(headers=gateway.headers) as http:
        async with await device(gateway, key) as wire:
            text = json.dumps("x" * 50_000).encode()
            await flood(
                wire,
                [message("devices/kitchen/telemetry/x", n, payload=text) for n in range(400)],
            )
        before = gateway.memory()
        for path in (
            "/api/v1/frames?limit=10000&after=0",
            "/api/v1/history?device=kitchen&limit=10000",
        ):
            held = [await unread(gateway, path) for _ in range(20)]
            async with http.get(f"{gateway.url}/healthz") as response:  # after theirs
                assert response.status == 200
            assert gateway.memory() - before < 20 * 3 * MB + NOISE, path
            for writer in held:
                writer.transport.abort()


async def unread(gateway, path: str) -> asyncio.StreamWriter:
    """Ask, and read the head of the answer alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["http"], limit=4_096)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n\r\n".encode()
    )
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head, head
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert 500_000 < length < 2_000_000
    writer.transport.pause_reading()
    return writer


async def test_strangers_who_send_bodies_they_never_end(gateway):
    """20: a stranger holds 8 KB of a body, and 2,000 of them no more than that each."""
    before = gateway.memory()
    held = []
    for _ in range(250):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["http"])
        writer.write(
            b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 262000\r\n\r\n" + b" " * 250_000
        )
        held.append(writer)
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as http,
        http.get(f"{gateway.url}/api/v1/me") as response,
    ):
        assert response.status == 200
    assert gateway.memory() - before < NOISE
    for writer in held:
        writer.transport.abort()


@pytest.mark.parametrize("packet", [b"\xc0\x00", message("devices/kitchen/mail", 1)])
async def test_answers_of_mqtt_that_are_not_read(gateway, packet):
    """18: whoever takes no answers is not read."""
    key = await gateway.add("kitchen")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["mqtt"], limit=1_024)
    writer.write(encode(Connect("deaf", 5, username="kitchen", password=key.encode()), 5))
    await reader.readexactly(2)
    writer.transport.pause_reading()
    before = gateway.memory()
    chunk = packet * (65_536 // len(packet))
    with suppress(TimeoutError, ConnectionError):  # it is not read any more
        for _ in range(1_000):  # 65 MB
            writer.write(chunk)
            async with asyncio.timeout(2):
                await writer.drain()
    assert gateway.memory() - before < 4 * MB + NOISE
    writer.transport.abort()
