"""Frames over WebSocket, and commands back: `/api/v1/ws`, as in the contract.

Frames leave as bytes that were framed once for all listeners (RFC 6455 section 5.2), in one write a batch; what one
connection alone is told goes through aiohttp. Both end in the same transport, each message whole.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import msgspec
from aiohttp import WSMsgType, web

from gateway.errors import GatewayError, Invalid, TooMany, Unauthenticated
from gateway.frames import to_json
from gateway.hub import Listener, Subscription, Wire
from gateway.topics import TopicFilter, check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.frames import Entry
    from gateway.hub import Hub, View

AUTH_TIMEOUT = 10.0  # s
GOODBYE = 1.0  # s for a listener to take what it was sent and say goodbye too
HEARTBEAT = 120.0  # s; a listener may rest for half of it before it has to come back with `since`
MAX_SUBSCRIPTIONS = 100
MAX_WAITING = 100  # commands whose reply a connection waits for at once

_SHORT = [bytes((0x81, length)) for length in range(126)]


def framed(data: bytes) -> bytes:
    """Return a text as one unmasked, final WebSocket frame."""
    length = len(data)
    if length < 126:
        return _SHORT[length] + data
    if length < 65536:
        return struct.pack("!BBH", 0x81, 126, length) + data
    return struct.pack("!BBQ", 0x81, 127, length) + data


def _form(seq: int, entry: Entry, data: bytes) -> bytes:
    return framed(data)


def _gap(first: int, last: int) -> bytes:
    return framed(to_json({"type": "gap", "from": first, "to": last}).encode())


WIRE = Wire(form=_form, join=b"".join, gap=_gap)

Seq = Annotated[int, msgspec.Meta(ge=0)]


class Auth(msgspec.Struct, tag_field="type", tag="auth", forbid_unknown_fields=True):
    """The first message of who sent no header."""

    token: str
    id: Any = None


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe", forbid_unknown_fields=True):
    """Ask for frames; the same id again replaces the subscription."""

    filter: str
    id: Any = None
    snapshot: bool = True
    since: Seq | None = None
    epoch: str | None = None
    mode: Literal["all", "latest"] = "all"


class Unsubscribe(msgspec.Struct, tag_field="type", tag="unsubscribe", forbid_unknown_fields=True):
    """Ask for them no more."""

    id: Any = None


class Command(msgspec.Struct, tag_field="type", tag="command", forbid_unknown_fields=True):
    """Send a command to a device; `wait`, `ttl`: s."""

    device: str
    name: str
    id: Any = None
    value: Any = None
    wait: Annotated[float, msgspec.Meta(gt=0, le=60)] | None = None
    ttl: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Ping(msgspec.Struct, tag_field="type", tag="ping"):
    """Ask whether the gateway is there."""

    id: Any = None


Request = Auth | Subscribe | Unsubscribe | Command | Ping
_decode = msgspec.json.Decoder(Request).decode


class Entrance(Protocol):
    """What access offers a WebSocket."""

    def request(self, request: web.Request) -> Any | None:
        """Return the principal that the request's header or cookie names; None where it has neither."""

    def token(self, token: str, address: str) -> Any:
        """Return the principal of a token; raises `Unauthenticated`."""

    def view(self, principal: Any) -> View: ...

    def valid(self, principal: Any) -> bool: ...


class SendCommand(Protocol):
    """Send a command as a principal; return its id, and with `wait` the reply's JSON text."""

    async def __call__(self, principal: Any, device: str, name: str, value: str, ttl: float | None) -> str: ...


class WebSockets:
    """The listeners on `/api/v1/ws`."""

    def __init__(
        self,
        *,
        hub: Hub,
        entrance: Entrance,
        send: SendCommand,
        wait: Callable[[str, float], Awaitable[str]],
        max_size: int,
    ) -> None:
        self.hub = hub
        self.entrance = entrance
        self.send = send
        self.wait = wait
        self._max_size = max_size
        self._open: set[_Conversation] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        principal = self.entrance.request(request)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=self._max_size, compress=False)
        await socket.prepare(request)
        conversation = _Conversation(self, request, socket, principal)
        self._open.add(conversation)
        try:
            await conversation.run()
        finally:
            self._open.discard(conversation)
        return socket

    async def recheck(self) -> None:
        """Close the connections whose sign-in holds no longer."""
        for conversation in list(self._open):
            if conversation.principal is not None and not self.entrance.valid(conversation.principal):
                await conversation.end(Unauthenticated("your sign-in has ended"))

    async def close(self) -> None:
        """Say goodbye to every listener (close code 1001); cut off who does not listen."""
        await asyncio.gather(*(conversation.leave() for conversation in list(self._open)))


class _Outlet:
    """A listener's way out: the transport under the WebSocket."""

    def __init__(self, request: web.Request) -> None:
        assert request.transport is not None
        self._transport: asyncio.Transport = request.transport
        self._writer = request.writer

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        self._transport.abort()

    def backlog(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    async def drained(self) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the listener is gone")
        await self._writer.drain()


class _Conversation:
    """One connection: what the client asks, and what it is answered."""

    def __init__(self, shared: WebSockets, request: web.Request, socket: web.WebSocketResponse, principal: Any) -> None:
        self.principal = principal
        self.socket = socket
        self._shared = shared
        self._address = request.remote or ""
        self._outlet = _Outlet(request)
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        hub = self._shared.hub
        try:
            await self._say(type="hello", epoch=hub.epoch, seq=hub.seq)
            if self.principal is None and not await self._sign_in():
                return
            self._listener = Listener(hub, self._outlet, WIRE, self._shared.entrance.view(self.principal))
            self._spawn(self._listener.run())
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._complain(None, Invalid("send JSON as text messages"))
        except ConnectionError:
            pass
        finally:
            if self._listener is not None:
                self._listener.close()
            for task in self._tasks:
                task.cancel()

    async def end(self, error: GatewayError) -> None:
        """Say why, and close."""
        await self._complain(None, error)
        await self.socket.close(code=error.close_code, message=str(error).encode()[:120])

    async def leave(self) -> None:
        """Close because the gateway stops."""
        try:
            async with asyncio.timeout(GOODBYE):
                await self.socket.close(code=1001)
        except TimeoutError:
            self._outlet.abort()

    async def _sign_in(self) -> bool:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT):
                message = await self.socket.receive()
        except TimeoutError:
            await self.end(Unauthenticated(f"no sign-in within {AUTH_TIMEOUT:.0f} s"))
            return False
        if message.type is not WSMsgType.TEXT:
            await self.end(Unauthenticated('sign in first: {"type":"auth","token":"..."}'))
            return False
        try:
            asked = _read(message.data)
            if not isinstance(asked, Auth):
                raise Unauthenticated('sign in first: {"type":"auth","token":"..."}')
            self.principal = self._shared.entrance.token(asked.token, self._address)
        except Unauthenticated as error:
            await asyncio.sleep(error.delay)
            await self.end(error)
            return False
        except Invalid:
            await self.end(Unauthenticated('sign in first: {"type":"auth","token":"..."}'))
            return False
        return True

    async def _answer(self, text: str) -> None:
        try:
            asked = _read(text)
            if isinstance(asked, Subscribe):
                await self._subscribe(asked)
            elif isinstance(asked, Unsubscribe):
                await self._unsubscribe(asked)
            elif isinstance(asked, Command):
                await self._command(asked)
            elif isinstance(asked, Ping):
                await self._say(type="pong")
            else:
                raise Invalid("this connection is signed in already")
        except GatewayError as error:
            await self._complain(_id_of(text), error)

    async def _subscribe(self, asked: Subscribe) -> None:
        await self._outlet.drained()  # a snapshot goes only to who takes what it was sent before
        listener, key = self._listening(), to_json(asked.id)
        if key not in listener.subscriptions and len(listener.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise TooMany(f"one connection holds {MAX_SUBSCRIPTIONS} subscriptions at most")
        subscription = Subscription(
            TopicFilter(asked.filter), mode=asked.mode, snapshot=asked.snapshot and asked.since is None
        )
        seq = listener.subscribe(key, subscription, asked.since, asked.epoch)
        self._outlet.write(framed(to_json({"type": "ack", "id": asked.id, "seq": seq}).encode()))
        listener.begin(key)

    async def _unsubscribe(self, asked: Unsubscribe) -> None:
        if not self._listening().unsubscribe(to_json(asked.id)):
            raise Invalid(f"there is no subscription {to_json(asked.id)}")
        await self._say(type="ack", id=asked.id)

    async def _command(self, asked: Command) -> None:
        if asked.wait is not None and len(self._tasks) > MAX_WAITING:
            raise TooMany(f"one connection waits for {MAX_WAITING} replies at most")
        device, name = check_device(asked.device), check_channel(asked.name)
        command = await self._shared.send(self.principal, device, name, to_json(asked.value), asked.ttl)
        await self._say(type="ack", id=asked.id, command=command)
        if asked.wait is not None:
            self._spawn(self._reply(asked.id, command, asked.wait))

    async def _reply(self, asked: Any, command: str, seconds: float) -> None:
        try:
            value = await self._shared.wait(command, seconds)
            await self._say(type="reply", id=asked, value=msgspec.Raw(value.encode()))
        except GatewayError as error:
            await self._complain(asked, error)
        except ConnectionError:
            pass  # the listener has gone; the reply is in history

    def _listening(self) -> Listener:
        assert self._listener is not None
        return self._listener

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _complain(self, asked: Any, error: GatewayError) -> None:
        await self._say(type="error", id=asked, code=error.code, message=str(error))

    async def _say(self, **message: Any) -> None:
        if not self.socket.closed:
            await self.socket.send_str(to_json(message))


def _read(text: str) -> Request:
    try:
        request: Request = _decode(text)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    return request


def _id_of(text: str) -> Any:
    """Return the id of a message that is wrong otherwise, so that its sender knows which."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return message.get("id") if isinstance(message, dict) else None
