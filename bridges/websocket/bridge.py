"""Frames over WebSocket, and commands back: `/api/v1/ws`, as in the contract.

Frames leave as bytes that were framed once for all listeners (RFC 6455 section 5.2), in one write a
batch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web

from gateway.access.policy import Action
from gateway.bridges.edge.listening import listening
from gateway.bridges.edge.sockets import Open, Socket, accepted, text
from gateway.bridges.websocket.requests import (
    Auth,
    Command,
    Id,
    Ping,
    Subscribe,
    Unsubscribe,
    id_of,
    read,
)
from gateway.errors import GatewayError, Invalid, TooMany, Unauthenticated
from gateway.frames import encode, to_json
from gateway.hub import Encoding, Listener, Subscription
from gateway.topics import TopicFilter, check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import WSMessage

    from gateway.access.principal import Principal
    from gateway.asking import SendCommand
    from gateway.bridges.edge.door import Door
    from gateway.frames import Entry
    from gateway.hub import Hub

AUTH_TIMEOUT = 10.0  # s
MAX_SUBSCRIPTIONS = 100
MAX_WAITING = 100  # commands whose reply a connection waits for at once


def _form(seq: int, entry: Entry, data: bytes) -> bytes:
    return text(data)


def _gap(first: int, last: int) -> bytes:
    return text(encode({"type": "gap", "from": first, "to": last}))


ENCODING = Encoding(frame=_form, gap=_gap)


class WebSockets:
    """The listeners on `/api/v1/ws`.

    `wait(command, seconds)` returns a command's reply, JSON text. `max_size`: bytes of a message.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        door: Door,
        send: SendCommand,
        wait: Callable[[str, float], Awaitable[str]],
        max_size: int,
    ) -> None:
        self.hub = hub
        self.door = door
        self.send = send
        self.wait = wait
        self.open = Open(door.valid)
        self._max_size = max_size

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        principal = self.door.who(request)
        async with accepted(request, max_size=self._max_size) as socket:
            try:
                await _Conversation(self, socket, principal).run()
            finally:
                self.open.discard(socket)
        return socket.response


class _Conversation:
    """One connection: what the client asks, and what it is answered."""

    def __init__(self, shared: WebSockets, socket: Socket, principal: Principal | None) -> None:
        self._principal = principal
        self._shared = shared
        self._socket = socket
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until the connection ends."""
        hub = self._shared.hub
        try:
            self._say(type="hello", epoch=hub.epoch, seq=hub.seq)
            self._shared.open.add(self._socket, self._principal)
            principal = self._principal or await self._sign_in()
            if principal is not None:
                await self._listen(principal)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _listen(self, principal: Principal) -> None:
        listener = Listener(
            self._shared.hub, self._socket, ENCODING, self._shared.door.view(principal)
        )
        async with listening(listener, self._socket.end):
            while (message := await self._socket.next()) is not None:
                await self._socket.drained()  # who does not take the answers is not heard
                if message.type is WSMsgType.TEXT:
                    await self._answer(principal, listener, message.data)
                else:
                    self._complain(None, Invalid("send JSON as text messages"))

    async def _sign_in(self) -> Principal | None:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT):
                message = await self._socket.next()
            if message is None:
                return None
            principal = self._shared.door.token(self._socket.request, _token(message))
        except TimeoutError:
            await self._refuse(Unauthenticated(f"no sign-in within {AUTH_TIMEOUT:.0f} s"))
            return None
        except GatewayError as error:
            await asyncio.sleep(error.delay)
            await self._refuse(error)
            return None
        self._shared.open.add(self._socket, principal)
        return principal

    async def _refuse(self, error: GatewayError) -> None:
        self._complain(None, error)
        await self._socket.close(error)

    async def _answer(self, principal: Principal, listener: Listener, text: str) -> None:
        try:
            asked = read(text)
            if isinstance(asked, Subscribe):
                self._subscribe(listener, asked)
            elif isinstance(asked, Unsubscribe):
                self._unsubscribe(listener, asked)
            elif isinstance(asked, Command):
                await self._command(principal, asked)
            elif isinstance(asked, Ping):
                self._say(type="pong")
            else:
                raise Invalid("this connection is signed in already")
        except GatewayError as error:
            self._complain(id_of(text), error)

    def _subscribe(self, listener: Listener, asked: Subscribe) -> None:
        key = to_json(asked.id)
        if key not in listener.subscriptions and len(listener.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise TooMany(f"one connection holds {MAX_SUBSCRIPTIONS} subscriptions at most")
        subscription = Subscription(
            TopicFilter(asked.filter),
            mode=asked.mode,
            snapshot=asked.snapshot and asked.since is None,
        )
        seq = listener.subscribe(key, subscription, asked.since, asked.epoch)
        self._say(type="ack", id=asked.id, seq=seq)
        listener.begin(key)

    def _unsubscribe(self, listener: Listener, asked: Unsubscribe) -> None:
        if not listener.unsubscribe(to_json(asked.id)):
            raise Invalid(f"there is no subscription {to_json(asked.id)}")
        self._say(type="ack", id=asked.id)

    async def _command(self, principal: Principal, asked: Command) -> None:
        if asked.wait and len(self._tasks) >= MAX_WAITING:
            raise TooMany(f"one connection waits for {MAX_WAITING} replies at most")
        device, name = check_device(asked.device), check_channel(asked.name)
        command = await self._shared.send(principal, device, name, to_json(asked.value), asked.ttl)
        self._say(type="ack", id=asked.id, command=command.id)
        if asked.wait:
            self._spawn(self._reply(principal, device, asked, command.id))

    async def _reply(self, principal: Principal, device: str, asked: Command, command: str) -> None:
        """Tell a reply, to who may still have it."""
        try:
            value = await self._shared.wait(command, asked.wait or 0)
            self._shared.door.demand(principal, Action.READ, device)
            self._say(type="reply", id=asked.id, value=msgspec.Raw(value.encode()))
        except GatewayError as error:
            self._complain(asked.id, error)
        except ConnectionError:
            pass  # the listener has gone; the reply is in history

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _complain(self, asked: Id, error: GatewayError) -> None:
        self._say(type="error", id=asked, code=error.code, message=str(error))

    def _say(self, **message: Any) -> None:
        self._socket.write(text(encode(message)))


def _token(message: WSMessage) -> str:
    """Return the token of a first message; raises `Unauthenticated` where it is no sign-in."""
    try:
        asked = read(message.data) if message.type is WSMsgType.TEXT else None
    except Invalid:
        asked = None
    if not isinstance(asked, Auth):
        raise Unauthenticated('sign in first: {"type":"auth","token":"..."}')
    return asked.token
