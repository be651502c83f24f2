"""The entrances of a gateway, each with the actions that it offers, for one principal at a time.

An action answers with `+` where it worked, `-` where it was forbidden, `?` where its subject was
not found, `!` where a sign-in was missing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from mqtt_wire import Wire
from people import GRANTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from people import People, Shown

DEVICES = ("kitchen", "lamp", "attic")
MARKS = {401: "!", 403: "-", 404: "?"}
NUMBERS = itertools.count(1)


class Entrance:
    """One way in, for one principal: `actions` are those that it offers."""

    def __init__(self, here: People, shown: Shown) -> None:
        self.here = here
        self.shown = shown
        self.home = here.home
        self.actions: dict[str, Callable[[], Awaitable[str]]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, here: People, shown: Shown) -> AsyncIterator[Entrance]:
        """Go to the door; who is not let in finds that each action answers `!`."""
        yield cls(here, shown)

    @staticmethod
    def takes(shown: Shown) -> bool:
        """Tell whether this kind of secret can be shown here."""
        return True

    @staticmethod
    def word_for(mark: str) -> str:
        """Return how this entrance says what a mark means."""
        return mark


class Http(Entrance):
    """The API."""

    def __init__(self, here: People, shown: Shown) -> None:
        super().__init__(here, shown)
        self.actions = {
            **{f"see {device}": self._see(device) for device in ("kitchen", "lamp", "attic")},
            **{
                f"manage {device}": self._ask("PATCH", f"/devices/{device}", name="x")
                for device in DEVICES
            },
            **{
                f"command {device}": self._ask("POST", f"/devices/{device}/commands/led")
                for device in DEVICES
            },
            **{
                f"post for {device}": self._ask("POST", f"/devices/{device}/telemetry", x=1)
                for device in DEVICES
            },
            "give kitchen to another": self._ask(
                "PATCH", "/devices/kitchen", owner=here.users["ann"]
            ),
            "make a device": self._ask("POST", "/devices"),
            "grant topics of ann's devices": self._ask(
                "POST", "/devices", topics=["devices/lamp/telemetry/#"]
            ),
            "grant topics of attic": self._ask(
                "POST", "/devices", topics=["devices/attic/telemetry/#"]
            ),
            "keep tokens": self._all(
                self._ask("GET", "/tokens"), self._ask("POST", "/tokens", scope="read")
            ),
            "administer": self._all(
                self._ask("GET", "/users"),
                self._ask("GET", "/audit"),
                self._ask("POST", "/invitations", email="new@example.com"),
                self._ask("PATCH", f"/users/{here.users['bob']}", name="Bob"),
            ),
            "look at metrics": self._ask("GET", "/../../metrics"),
        }

    def _ask(self, method: str, path: str, **body: Any) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            more = {"json": body} if method != "GET" else {}
            async with self._request(method, path, **more) as answer:
                assert answer.status in MARKS or answer.status < 300, await answer.text()
                return MARKS.get(answer.status, "+")

        return ask

    def _request(self, method: str, path: str, **more: Any) -> Any:
        url = f"{self.home.url}/api/v1{path}"
        return self.here.bare.request(method, url, headers=self.shown.headers, **more)

    def _all(self, *asks: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            marks = {await one() for one in asks}
            return marks.pop() if len(marks) == 1 else f"differs: {marks}"

        return ask

    def _see(self, device: str) -> Callable[[], Awaitable[str]]:
        """Look in every way; all of them are to agree."""

        async def see() -> str:
            paths = (f"/devices/{device}", f"/devices/{device}/latest", f"/history?device={device}")
            exact = self._all(*(self._ask("GET", path) for path in paths))
            mark = await exact()
            listed = {
                await self._listed(device, "/devices", "id"),
                await self._listed(device, "/frames", "device"),
            }
            return mark if listed == {mark} else f"differs: {mark} {listed}"

        return see

    async def _listed(self, device: str, path: str, key: str) -> str:
        async with self._request("GET", path) as answer:
            if answer.status != 200:
                return MARKS[answer.status]
            (things,) = [
                value for value in (await answer.json()).values() if isinstance(value, list)
            ]
            return "+" if device in {thing[key] for thing in things} else "?"


class Page(Entrance):
    """The pages, which know cookies alone."""

    def __init__(self, here: People, shown: Shown) -> None:
        super().__init__(here, shown)
        self.actions = {"look at the pages": self._look}

    async def _look(self) -> str:
        marks = set()
        for path in ("/", "/devices", "/tokens", "/docs", "/account"):
            request = self.here.bare.get(
                f"{self.home.url}{path}", headers=self.shown.headers, allow_redirects=False
            )
            async with request as answer:
                assert answer.status == 200 or answer.headers["Location"] == "/sign-in"
                marks.add("+" if answer.status == 200 else "!")
        return marks.pop() if len(marks) == 1 else f"differs: {marks}"


class Listening(Entrance):
    """What a listener that asks for everything sees: frames of some devices, and of no others."""

    def __init__(self, here: People, shown: Shown) -> None:
        super().__init__(here, shown)
        self._seen: set[str] | None = None
        self.actions = {f"see {device}": self._see(device) for device in DEVICES}

    def _see(self, device: str) -> Callable[[], Awaitable[str]]:
        async def see() -> str:
            if self._seen is None:
                return "!"
            return "+" if device in self._seen else "?"

        return see


class Sse(Listening):
    """The event stream, from the first frame up to the last one of all devices."""

    @classmethod
    @asynccontextmanager
    async def open(cls, here: People, shown: Shown) -> AsyncIterator[Entrance]:
        entrance = cls(here, shown)
        url = f"{here.home.url}/api/v1/stream?after=0"
        async with here.bare.get(url, headers=shown.headers) as answer, asyncio.timeout(10):
            if answer.status != 401:
                assert answer.status == 200
                entrance._seen = await entrance._read(answer)
        yield entrance

    async def _read(self, answer: aiohttp.ClientResponse) -> set[str]:
        """Each device's last frame is on the channel `end`, after all others: the first of those is
        enough.
        """
        seen: set[str] = set()
        async for line in answer.content:
            if line.startswith(b"data: "):
                frame = json.loads(line[6:])
                if frame["channel"] == "end":
                    return {*seen, frame["device"]}
                seen.add(frame["device"])
        raise AssertionError("the stream has ended")


class WebSocket(Listening):
    """The WebSocket: frames, and commands."""

    def __init__(self, here: People, shown: Shown) -> None:
        super().__init__(here, shown)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.actions |= {f"command {device}": self._command(device) for device in DEVICES}

    @classmethod
    @asynccontextmanager
    async def open(cls, here: People, shown: Shown) -> AsyncIterator[Entrance]:
        entrance = cls(here, shown)
        try:
            socket = await here.bare.ws_connect(f"{here.home.url}/api/v1/ws", headers=shown.headers)
        except aiohttp.WSServerHandshakeError as error:
            assert error.status == 401  # noqa: PT017
            yield entrance
            return
        async with socket:
            await entrance._listen(socket)
            yield entrance

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_json({"type": "subscribe", "id": 1, "filter": "#", "since": 0})
        seen: set[str] = set()
        async for message in socket:
            frame = message.json()
            if frame["type"] == "error":  # who showed nothing is to sign in first, and is closed
                assert frame["code"] == "unauthenticated"
            elif frame.get("channel") == "end":
                self._socket, self._seen = socket, {*seen, frame["device"]}
                return
            elif "device" in frame:
                seen.add(frame["device"])

    def _command(self, device: str) -> Callable[[], Awaitable[str]]:
        async def command() -> str:
            if self._socket is None:
                return "!"
            number = next(NUMBERS)
            await self._socket.send_json(
                {"type": "command", "id": number, "device": device, "name": "led"}
            )
            while (answer := await self._socket.receive_json(timeout=10)).get("id") != number:
                pass
            return (
                {"not_found": "?", "forbidden": "-"}[answer["code"]]
                if answer["type"] == "error"
                else "+"
            )

        return command


class Mqtt(Entrance):
    """The MQTT port."""

    def __init__(self, here: People, shown: Shown) -> None:
        super().__init__(here, shown)
        self._wire: Wire | None = None
        self.actions = {
            **{
                f"post for {device}": self._publish(f"devices/{device}/telemetry/x")
                for device in DEVICES
            },
            **{
                f"command {device}": self._publish(f"devices/{device}/commands/led")
                for device in DEVICES
            },
            **{f"see {device}": self._receive(device) for device in DEVICES},
            "speak for kitchen": self._both(
                self._publish("devices/kitchen/status", b"online"),
                self._publish("devices/kitchen/replies/led"),
            ),
            "publish to a granted topic": self._publish(GRANTED),
            "publish to another topic": self._publish("plant/line/2"),
            "listen to a granted topic": self._subscribe(GRANTED),
            "listen to another topic": self._subscribe("plant/line/2"),
            "listen to everything": self._subscribe("#"),
            "listen to $SYS": self._subscribe("$SYS/#"),
            "claim a place": self._both(
                self._publish("$claim/board/announce"), self._subscribe("$claim/board/credentials")
            ),
        }

    @staticmethod
    def takes(shown: Shown) -> bool:
        return not shown.cookie

    @staticmethod
    def word_for(mark: str) -> str:
        return "?" if mark == "-" else mark  # MQTT has one reason code for both

    @classmethod
    @asynccontextmanager
    async def open(cls, here: People, shown: Shown) -> AsyncIterator[Entrance]:
        entrance = cls(here, shown)
        async with await cls._connect(here) as wire:
            code = await wire.sign_in(
                shown.username, shown.secret or None, f"client-{next(NUMBERS)}"
            )
            assert code in {0, 0x86}
            if code == 0:
                entrance._wire = wire
            yield entrance

    @staticmethod
    async def _connect(here: People) -> Wire:
        return await Wire.tcp(here.home.gateway.ports["mqtt"])

    def _publish(self, topic: str, payload: bytes = b"1") -> Callable[[], Awaitable[str]]:
        async def publish() -> str:
            return "!" if self._wire is None else _mark(await self._wire.publish(topic, payload))

        return publish

    def _subscribe(self, topic_filter: str) -> Callable[[], Awaitable[str]]:
        async def subscribe() -> str:
            return "!" if self._wire is None else _mark(await self._wire.subscribe(topic_filter))

        return subscribe

    def _both(self, *tries: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
        async def both() -> str:
            marks = [await one() for one in tries]
            return marks[0] if len(set(marks)) == 1 else f"differs: {marks}"

        return both

    def _receive(self, device: str) -> Callable[[], Awaitable[str]]:
        """Subscribe to a device's topics and to all of them, and see what comes."""

        async def receive() -> str:
            wire, topic = self._wire, f"devices/{device}/telemetry/seen"
            if wire is None:
                return "!"
            mark = _mark(await wire.subscribe(f"devices/{device}/#"))
            await wire.subscribe("devices/#")
            wire.messages.clear()
            url = f"{self.home.url}/api/v1/devices/{device}/commands/seen-{next(NUMBERS)}"
            async with self.home.http.post(url) as answer:
                assert answer.status == 202
            await self._publish_as_admin(topic)
            await wire.ping()
            got = "+" if topic in {message.topic for message in wire.messages} else "?"
            return got if got == mark else f"differs: granted {mark}, received {got}"

        return receive

    async def _publish_as_admin(self, topic: str) -> None:
        async with await Wire.tcp(self.home.gateway.ports["mqtt"]) as admin:
            assert await admin.sign_in("token", self.home.token, "admin") == 0
            assert await admin.publish(topic) == 0


class MqttOverWebSocket(Mqtt):
    """MQTT on the HTTP port."""

    @staticmethod
    async def _connect(here: People) -> Wire:
        return await Wire.websocket(here.bare, here.home.url)


def _mark(code: int) -> str:
    if code < 0x80:
        return "+"
    assert code == 0x87, hex(code)
    return "?"
