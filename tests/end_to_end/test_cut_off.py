"""What is no longer true ends within two seconds, on connections that are open and on those that
come.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from daemon_process import daemon
from mqtt_wire import Wire
from people import people

from gateway.clock import now_ms
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from people import People, Shown

ROOT = Path(__file__).parents[2]
WITHIN = 2.0  # s


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    """Everybody's house; failures are not slowed, so that a refusal is seen when it is made."""
    monkeypatch.setattr("gateway.access.throttle.LONGEST", 0.0)
    async with people(tmp_path) as everybody:
        yield everybody


class Open:
    """Every kind of connection that a principal can hold open; `end` gives how long each one
    lasted.
    """

    def __init__(self, here: People, shown: Shown) -> None:
        self.here = here
        self.shown = shown
        self.url = here.home.url
        self.ends: dict[str, Coroutine[Any, Any, object]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Open:
        ways = [("websocket", self._websocket), ("stream", self._stream), ("long poll", self._poll)]
        if not self.shown.cookie:
            ways += [("mqtt", self._mqtt), ("mqtt over websocket", self._mqtt_over_websocket)]
        for name, way in ways:
            self.ends[name] = await way()
        return self

    async def __aexit__(self, *_: object) -> None:
        for end in self.ends.values():
            end.close()
        await self._stack.aclose()

    async def ended(self) -> dict[str, float]:
        """Wait for all of them to end; return the seconds that each took."""
        start, ends, self.ends = time.monotonic(), self.ends, {}

        async def timed(end: Coroutine[Any, Any, object]) -> float:
            await asyncio.wait_for(end, 8)
            return time.monotonic() - start

        return dict(zip(ends, await asyncio.gather(*map(timed, ends.values())), strict=True))

    async def _websocket(self) -> Coroutine[Any, Any, object]:
        connect = self.here.bare.ws_connect(f"{self.url}/api/v1/ws", headers=self.shown.headers)
        socket = await self._stack.enter_async_context(connect)
        await socket.send_json({"type": "subscribe", "id": 1, "filter": "#"})
        while (await socket.receive_json(timeout=5))["type"] != "ack":
            pass

        async def end() -> None:
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert socket.close_code == 4401

        return end()

    async def _stream(self) -> Coroutine[Any, Any, object]:
        request = self.here.bare.get(f"{self.url}/api/v1/stream", headers=self.shown.headers)
        answer = await self._stack.enter_async_context(request)
        assert answer.status == 200
        await answer.content.readline()
        return answer.content.read()

    async def _poll(self) -> Coroutine[Any, Any, object]:
        """A long poll that waits when the cut comes."""
        query = {"filter": "kitchen/silence", "wait": "30"}
        polling = asyncio.create_task(self._get("/frames", query), name="poll")
        self._stack.callback(polling.cancel)

        async def end() -> None:
            assert await polling == 401

        return end()

    async def _get(self, path: str, query: dict[str, str]) -> int:
        url = f"{self.url}/api/v1{path}"
        async with self.here.bare.get(url, params=query, headers=self.shown.headers) as answer:
            return answer.status

    async def _mqtt(self) -> Coroutine[Any, Any, object]:
        return await self._connected(await Wire.tcp(self.here.home.gateway.ports["mqtt"]), "tcp")

    async def _mqtt_over_websocket(self) -> Coroutine[Any, Any, object]:
        return await self._connected(await Wire.websocket(self.here.bare, self.url), "websocket")

    async def _connected(self, wire: Wire, client_id: str) -> Coroutine[Any, Any, object]:
        await self._stack.enter_async_context(wire)
        assert await wire.sign_in(self.shown.username, self.shown.secret, client_id) == 0

        async def end() -> None:
            assert await wire.ended() == 0x87

        return end()

    async def again(self) -> set[str]:
        """Come again on every way; return those that let this principal in."""
        let_in = set()
        if await self._get("/me", {}) == 200:
            let_in.add("http")
        for path in ("/api/v1/stream", "/api/v1/ws"):
            upgrade = (
                {"Upgrade": "websocket", "Connection": "Upgrade"} if path.endswith("ws") else {}
            )
            request = self.here.bare.get(self.url + path, headers={**self.shown.headers, **upgrade})
            async with request as answer:
                if answer.status != 401:
                    let_in.add(path)
        if not self.shown.cookie:
            async with await Wire.tcp(self.here.home.gateway.ports["mqtt"]) as wire:
                if await wire.sign_in(self.shown.username, self.shown.secret, "again") == 0:
                    let_in.add("mqtt")
        return let_in


def _ask(method: str, path: str, **body: Any) -> Callable[[People], Any]:
    async def ask(here: People) -> None:
        names = {name: str(number) for name, number in (here.tokens | here.users).items()}
        url = f"{here.home.url}/api/v1{path}"
        for name, number in names.items():
            url = url.replace(f"<{name}>", number)
        headers = here.shown["full" if "/tokens/" in path else "admin"].headers
        async with here.bare.request(method, url, headers=headers, json=body or None) as answer:
            assert answer.status < 300, await answer.text()

    return ask


def _sign_out(path: str) -> Callable[[People], Any]:
    async def sign_out(here: People) -> None:
        async with here.bare.post(
            here.home.url + path, headers=here.shown["cookie"].headers
        ) as answer:
            assert answer.status == 204

    return sign_out


BY_HTTP = {
    "a removed device": ("kitchen", _ask("DELETE", "/devices/kitchen")),
    "a disabled device": ("kitchen", _ask("PATCH", "/devices/kitchen", disabled=True)),
    "a replaced key": ("kitchen", _ask("POST", "/devices/kitchen/key")),
    "a revoked token": ("write", _ask("DELETE", "/tokens/<write>")),
    "a session that signs out": ("cookie", _sign_out("/api/v1/logout")),
    "sessions that are signed out": ("cookie", _sign_out("/api/v1/logout?everywhere=true")),
    "the token of a user who is disabled": ("read", _ask("PATCH", "/users/<ann>", disabled=True)),
    "the device of a user who is disabled": (
        "kitchen",
        _ask("PATCH", "/users/<ann>", disabled=True),
    ),
    "the browser of a user who is disabled": (
        "cookie",
        _ask("PATCH", "/users/<ann>", disabled=True),
    ),
    "the token of a user whose role changes": ("full", _ask("PATCH", "/users/<ann>", role="admin")),
}


@pytest.mark.parametrize("what", BY_HTTP)
async def test_over_http(here, what):
    """Every connection of the principal ends, and it is not let in again; its neighbours stay."""
    principal, cut = BY_HTTP[what]
    async with (
        Open(here, here.shown[principal]) as connections,
        Open(here, here.shown["stranger"]) as others,
    ):
        await cut(here)
        took = await connections.ended()
        assert max(took.values()) < WITHIN, took
        assert await connections.again() == (
            {"http", "/api/v1/stream", "/api/v1/ws", "mqtt"}
            if what.endswith("role changes")
            else set()
        )
        assert {"http", "mqtt"} <= await others.again()


async def test_a_token_that_expires(here):
    """A token's open connections end when its time is over, without anybody doing anything."""
    shown = await here.token(
        "brief", "ann", "write", expires=now_ms() + 1_000, by=By("test", "", now_ms())
    )
    async with Open(here, shown) as connections:
        took = await connections.ended()
        assert max(took.values()) < 1 + WITHIN, took
        assert await connections.again() == set()


async def test_a_new_owner_hears_at_once_and_the_old_one_no_more(here):
    """Frames of a device move to its new owner's listeners, without a new subscription."""
    async with _listening(here, "full") as ann, _listening(here, "stranger") as bob:
        await _post(here, 1)
        assert await ann.get() == 1
        await _ask("PATCH", "/devices/kitchen", owner=here.users["bob"])(here)
        await _post(here, 2)
        assert await bob.get() == 2
        await _post(here, 3, device="lamp")
        assert await ann.get() == 3


class _Heard(asyncio.Queue[int]):
    """The values of the frames that a listener gets."""


@asynccontextmanager
async def _listening(here: People, principal: str) -> AsyncIterator[_Heard]:
    heard = _Heard()
    async with here.bare.ws_connect(
        f"{here.home.url}/api/v1/ws", headers=here.shown[principal].headers
    ) as socket:
        await socket.send_json({"type": "subscribe", "id": 1, "filter": "+/x", "snapshot": False})
        while (await socket.receive_json(timeout=5))["type"] != "ack":
            pass

        async def read() -> None:
            async for message in socket:
                heard.put_nowait(message.json()["value"])

        reading = asyncio.create_task(read())
        yield heard
        reading.cancel()


async def _post(here: People, value: int, device: str = "kitchen") -> None:
    url = f"{here.home.url}/api/v1/devices/{device}/telemetry/x"
    async with here.home.http.post(url, data=str(value)) as answer:
        assert answer.status == 200


async def test_from_the_command_line_of_another_process(tmp_path):
    """`gateway device new-key`, `device disable`, `token revoke` and `user disable` act on a
    running gateway.
    """
    async with daemon(tmp_path) as gateway:
        keys = {name: await gateway.add(name) for name in ("kitchen", "attic", "lamp")}
        async with Cast(gateway.ports["mqtt"]) as cast:
            for name, key in keys.items():
                await cast.join(name, name, key)
            made = await _command(
                gateway, "token", "add", "--user", "admin@example.com", "--scope", "read", "--json"
            )
            token = json.loads(made)["token"]
            listed = await _command(gateway, "token", "list", "--json")
            number = str(max(json.loads(line)["id"] for line in listed.splitlines()))
            await cast.join("token", "token", token, patient=True)
            await _command(gateway, "device", "new-key", "kitchen")
            await _command(gateway, "device", "disable", "attic")
            await _command(gateway, "device", "remove", "lamp")
            await _command(gateway, "token", "revoke", number)
            await cast.all_end(within=WITHIN)


class Cast:
    """Connections to the MQTT port of a gateway in another process."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wires: dict[str, Wire] = {}

    async def __aenter__(self) -> Cast:
        return self

    async def __aexit__(self, *_: object) -> None:
        for wire in self._wires.values():
            await wire.close()

    async def join(self, name: str, username: str, secret: str, *, patient: bool = False) -> None:
        """Sign in; `patient`: try until the gateway has heard of it."""
        async with asyncio.timeout(WITHIN):
            while True:
                wire = await Wire.tcp(self._port)
                if await wire.sign_in(username, secret, name) == 0:
                    break
                assert patient
                await wire.close()
        self._wires[name] = wire

    async def all_end(self, *, within: float) -> None:
        async with asyncio.timeout(within):
            reasons = await asyncio.gather(*(wire.ended() for wire in self._wires.values()))
        assert set(reasons) == {0x87}


async def _command(gateway: Any, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, "--config", str(gateway.config),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    return said.decode()
