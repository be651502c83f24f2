"""The gateway's end of `/api/v1/ws` and of commands over HTTP, in memory, for tests of what
connects to it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from gateway.topics import TopicFilter


class FramesPeer:
    """Keeps frames, replays them after a cursor, and shows new ones; `drop` ends all connections.

    `subscriptions` is what was asked for, `cut_after` ends the next connection after so many
    frames.
    """

    def __init__(self, token: str = "good") -> None:
        self.token = token
        self.epoch = "one"
        self.seq = 0
        self.frames: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.subscribed = asyncio.Event()
        self.cut_after: int | None = None
        self.error: dict[str, Any] | None = None
        self.close_code: int | None = None
        self.refuse_next: list[int] = []
        self.commands: list[tuple[str, Any, str]] = []
        self.answer: tuple[int, Any] = (200, {"reply": None})
        self._open: dict[web.WebSocketResponse, list[TopicFilter]] = {}
        app = web.Application()
        app.router.add_get("/api/v1/ws", self._socket)
        app.router.add_post("/api/v1/devices/{device}/commands/{name:.+}", self._command)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.drop()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    def store(self, channel: str, value: Any = None, device: str = "kitchen") -> dict[str, Any]:
        """Add a frame to history without showing it."""
        self.seq += 1
        frame = {
            "type": "telemetry",
            "seq": self.seq,
            "device": device,
            "channel": channel,
            "ts": 1_763_673_303_125 + self.seq,
            "value": self.seq if value is None else value,
        }
        self.frames.append(frame)
        return frame

    async def show(self, channel: str, device: str = "kitchen") -> None:
        """Add a frame and send it to whoever listens to it."""
        frame = self.store(channel, device=device)
        for socket, filters in list(self._open.items()):
            if any(_matches(one, frame) for one in filters):
                await self._send(socket, frame)

    async def drop(self) -> None:
        """Close all connections, as a gateway does that stops."""
        self.subscribed.clear()
        for socket in list(self._open):
            await socket.close(code=1012)

    async def _send(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        await socket.send_str(json.dumps(frame))
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after == 0:
                self.cut_after = None
                await socket.close(code=1001)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        if self.refuse_next:
            raise _status(self.refuse_next.pop(0))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._open[socket] = []
        await socket.send_str(json.dumps({"type": "hello", "epoch": self.epoch, "seq": self.seq}))
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            await self._subscribe(socket, json.loads(message.data))
        del self._open[socket]
        return socket

    async def _subscribe(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        self.subscriptions.append(asked)
        if self.close_code is not None:
            await socket.close(code=self.close_code)
            return
        if self.error is not None:
            await socket.send_str(json.dumps({"type": "error", "id": asked["id"], **self.error}))
            self.error = None
            return
        wanted = TopicFilter(asked["filter"])
        await socket.send_str(json.dumps({"type": "ack", "id": asked["id"], "seq": self.seq}))
        for frame in self._past(asked, wanted):
            if socket.closed:
                return
            await self._send(socket, frame)
        if socket in self._open:
            self._open[socket].append(wanted)
            self.subscribed.set()

    def _past(self, asked: dict[str, Any], wanted: TopicFilter) -> list[dict[str, Any]]:
        matching = [frame for frame in self.frames if _matches(wanted, frame)]
        if "since" not in asked:
            latest = {(frame["device"], frame["channel"]): frame for frame in matching}
            return list(latest.values()) if asked.get("snapshot", True) else []
        # Another database's cursor is before everything, as the gateway has it.
        since = asked["since"] if asked.get("epoch", self.epoch) == self.epoch else -1
        missing = (self.frames[0]["seq"] if self.frames else self.seq + 1) - 1
        gap = [{"type": "gap", "from": since + 1, "to": missing}] if missing > since else []
        return gap + [frame for frame in matching if frame["seq"] > since]

    async def _command(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPForbidden
        self.commands.append((request.path, await request.json(), request.query["wait"]))
        status, body = self.answer
        return web.json_response(body, status=status)


def _status(status: int) -> web.HTTPException:
    return {502: web.HTTPBadGateway, 503: web.HTTPServiceUnavailable, 403: web.HTTPForbidden}[
        status
    ]()


def _matches(wanted: TopicFilter, frame: dict[str, Any]) -> bool:
    return wanted.matches(f"{frame['device']}/{frame['channel']}")
