"""The promises of the design, over real sockets: no gap, no duplicate, flat memory, nothing acknowledged lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from pathlib import Path

import aiohttp
import msgspec
from conftest import house

from gateway.listener import Listener

COUNT = 4_000


async def _flood(device, count: int, start: int = 0) -> None:
    """Publish numbers as fast as paho takes them, with QoS 0, without blocking the event loop for long."""
    for number in range(start, start + count):
        device.client.publish("devices/kitchen/telemetry/number", str(number))
        if number % 100 == 0:
            await asyncio.sleep(0)


async def _numbers(socket: aiohttp.ClientWebSocketResponse, most: int) -> list[tuple[int, int]]:
    """Read up to so many frames; return (seq, value) of each."""
    got: list[tuple[int, int]] = []
    while len(got) < most:
        frame = msgspec.json.decode((await socket.receive(timeout=10)).data)
        if frame.get("type") == "telemetry":
            got.append((frame["seq"], frame["value"]))
    return got


async def test_a_listener_that_comes_and_goes_has_every_frame_once(tmp_path):
    """200 disconnects at random under load, each resumed with `since`: every frame once, in order."""
    chance = random.Random(5)
    async with house(tmp_path) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        flood = asyncio.create_task(_flood(device, COUNT))
        got: list[tuple[int, int]] = []
        since = 0
        for _ in range(200):
            async with home.http.ws_connect(f"{home.url}/api/v1/ws") as ws:
                await ws.send_json({"type": "subscribe", "id": 1, "filter": "kitchen/number", "since": since})
                missing = COUNT - len(got)
                got += await _numbers(ws, min(chance.randrange(1, 40), missing))
                since = got[-1][0] if got else 0
            if len(got) == COUNT:
                break
        async with home.http.ws_connect(f"{home.url}/api/v1/ws") as ws:
            await ws.send_json({"type": "subscribe", "id": 1, "filter": "kitchen/number", "since": since})
            got += await _numbers(ws, COUNT - len(got))
        await flood
    assert [value for _, value in got] == list(range(COUNT))
    seqs = [seq for seq, _ in got]
    assert seqs == sorted(set(seqs))


async def test_a_listener_that_stops_reading_catches_up(tmp_path):
    """A listener rests while far more is sent than any buffer holds, then reads on: every frame once, in order."""
    async with house(tmp_path) as home:
        await home.add("kitchen")
        device = await home.device("kitchen")
        reader, writer = await _raw_listener(home, "kitchen/blob")
        blob = '"' + "x" * 20_000 + '"'
        before = _memory()
        for number in range(1_000):
            await device.publish("devices/kitchen/telemetry/blob", f'{{"n":{number},"blob":{blob}}}')
        grown = _memory() - before
        assert grown < 12_000, f"{grown} KB for 20,000 KB that a listener has not read"
        values = [frame["value"]["n"] for frame in await _frames(reader, 1_000)]
        writer.close()
    assert values == list(range(1_000))


def _memory() -> int:
    """Return this process's resident memory in KB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def _raw_listener(home, topic_filter: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket on a socket with small buffers, which nobody reads until asked to."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", home.gateway.ports["http"]))
    reader, writer = await asyncio.open_connection(sock=raw, limit=65_536)
    writer.write(
        b"GET /api/v1/ws HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % home.token.encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    message = msgspec.json.encode({"type": "subscribe", "id": 1, "filter": topic_filter})
    writer.write(bytes((0x81, 0x80 | len(message))) + b"\0\0\0\0" + message)
    assert (await _message(reader))["type"] == "hello"
    assert (await _message(reader))["type"] == "ack"
    return reader, writer


async def _message(reader: asyncio.StreamReader) -> dict:
    _, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    return msgspec.json.decode(await reader.readexactly(length))


async def _frames(reader: asyncio.StreamReader, count: int) -> list[dict]:
    async with asyncio.timeout(30):
        return [await _message(reader) for _ in range(count)]


async def test_kill_9_loses_nothing_that_was_seen_or_acknowledged(tmp_path):
    """After kill -9 under load every shown frame and every acknowledged POST is in history, and seq goes on above."""
    from daemon_process import daemon

    async with daemon(tmp_path) as gateway, aiohttp.ClientSession(headers=gateway.headers) as session:
        key = await gateway.add("kitchen")
        seen: list[int] = []
        posted: list[int] = []
        async with session.ws_connect(f"{gateway.url}/api/v1/ws") as ws:
            await ws.send_json({"type": "subscribe", "id": 1, "filter": "#", "snapshot": False})
            posting = [asyncio.create_task(_post(session, gateway.url, key, posted)) for _ in range(4)]
            while len(seen) < 300:
                frame = msgspec.json.decode((await ws.receive(timeout=10)).data)
                if "device" in frame:
                    seen.append(frame["seq"])
            gateway.kill()
            for task in posting:
                task.cancel()
            await asyncio.gather(*posting, return_exceptions=True)
        await gateway.restart()
        stored = await _stored(session, gateway.url)
        assert set(seen) <= stored
        assert set(posted) <= stored
        async with session.post(f"{gateway.url}/api/v1/devices/kitchen/telemetry/x", data=b"1") as response:
            assert (await response.json())["seq"] > max(stored)


async def _post(session: aiohttp.ClientSession, url: str, key: str, posted: list[int]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            async with session.post(f"{url}/api/v1/devices/kitchen/telemetry/x", data=b"1") as response:
                posted.append((await response.json())["seq"])


async def _stored(session: aiohttp.ClientSession, url: str) -> set[int]:
    seqs: set[int] = set()
    after: int | None = 0
    while after is not None:
        async with session.get(f"{url}/api/v1/frames", params={"after": after, "limit": 1000}) as response:
            answer = await response.json()
            seqs.update(frame["seq"] for frame in answer["frames"])
            after = answer["next"]
    return seqs


async def test_the_listener_library_survives_a_restart(tmp_path):
    """`gateway.listener` goes on where it was after the gateway was killed and started again."""
    from daemon_process import daemon

    async with daemon(tmp_path) as gateway, aiohttp.ClientSession(headers=gateway.headers) as session:
        await gateway.add("kitchen")
        values: list[int] = []
        async with Listener(gateway.url, gateway.token, "kitchen/x", since=0, retry=(0.05, 0.2)) as listener:
            for number in range(20):
                if number == 10:
                    gateway.kill()
                    await gateway.restart()
                async with session.post(
                    f"{gateway.url}/api/v1/devices/kitchen/telemetry/x", data=str(number).encode()
                ) as response:
                    assert response.status == 200
            async with asyncio.timeout(20):
                async for frame in listener:
                    values.append(frame["value"])
                    if len(values) == 20:
                        break
    assert values == list(range(20))
