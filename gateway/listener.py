"""Frames as they happen, for a script or another program: `async for frame in Listener(url, token,
filter)`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aiohttp
from yarl import URL

from gateway.backoff import delays
from gateway.errors import GatewayError, NoReply
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    Connect = Callable[[], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]

log = logging.getLogger("gateway.listener")

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_REFUSED_STATUS = frozenset({401, 403})
_REFUSED_CLOSE = frozenset({4401, 4403})
_PASSING = frozenset(
    {"unavailable", "too_many", "internal"}
)  # error codes that another attempt may not meet
_BACKLOG = 64  # frames between the connections of several filters and the program


class ListenerRefused(GatewayError):
    """The gateway does not accept the token or the request; trying again would not help."""

    code = "forbidden"
    status = 403


class Arrival(NamedTuple):
    """A frame, and the cursor that goes on after it."""

    frame: dict[str, Any]
    cursor: int | None


class Listener:
    """An endless stream of frames that goes on where it was after each lost connection.

    `filters` are `device/channel` with the MQTT wildcards; without one, everything. Frames are
    dicts as the gateway sends them. The first are the latest of each channel, unless `snapshot` is
    false; with `since`, and the `epoch` that belongs to it, all stored frames after that `seq`.
    `{"type": "gap", "from": a, "to": b}` stands where history no longer holds what was missed.
    `retry` bounds the seconds between two attempts to connect; a connection that is silent for
    `heartbeat` seconds, though asked, counts as lost.

    Each filter has a connection of its own, and its frames come in order. A frame that matches
    several filters comes once; between filters there is no order. Raises ListenerRefused for a
    token or a filter that the gateway does not accept.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *filters: str,
        since: int | None = None,
        epoch: str | None = None,
        snapshot: bool = True,
        retry: tuple[float, float] = (0.5, 30.0),
        heartbeat: float = 30.0,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        self._api = _http(url) / "api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._heartbeat = heartbeat
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._entered = False
        self._feeds = [
            _Feed(text, self._connect, since, epoch, snapshot, retry)
            for text in dict.fromkeys(filters or ("#",))
        ]
        self._cursors: dict[_Feed, int | None] = dict.fromkeys(self._feeds, since)

    @property
    def since(self) -> int | None:
        """The cursor after the last frame given, to go on from in another Listener; None before the
        first.

        For several filters it is the lowest of them, and some frames may come again.
        """
        cursors = [cursor for cursor in self._cursors.values() if cursor is not None]
        return min(cursors) if len(cursors) == len(self._feeds) else None

    @property
    def epoch(self) -> str | None:
        """The name of the database that `since` belongs to."""
        return self._feeds[0].epoch

    async def command(self, device: str, name: str, value: Any = None, *, wait: float = 5.0) -> Any:
        """Send a command and return the device's reply.

        Raises NoReply after `wait` seconds, ListenerRefused where the token may not write,
        GatewayError for anything else that the gateway answers; each has the answer's `status`,
        `code` and `detail`. Needs `async with`, like any use
        beside iteration.
        """
        url = self._api / "devices" / device / "commands" / name
        headers = {"Content-Type": "application/json"}
        patience = aiohttp.ClientTimeout(total=wait + 10)
        body = json.dumps(value, allow_nan=False).encode()
        async with self._http_session().post(
            url,
            params={"wait": str(wait)},
            data=body,
            headers=headers,
            timeout=patience,
            ssl=self._tls,
        ) as response:
            answer = await response.read()
        if response.status == 200:
            return json.loads(answer).get("reply")
        raise _answered(response.status, answer)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._entered = False
        await self.close()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        arrivals = _alone(self._feeds[0]) if len(self._feeds) == 1 else _merged(self._feeds)
        try:
            async with aclosing(arrivals):
                async for feed, arrival in arrivals:
                    self._cursors[feed] = arrival.cursor
                    yield arrival.frame
        finally:
            if not self._entered:
                await self.close()

    def _http_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        return self._session

    def _connect(self) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        return self._http_session().ws_connect(
            self._api / "ws", heartbeat=self._heartbeat, ssl=self._tls
        )


class _Feed:
    """The frames of one filter, over one connection after another."""

    def __init__(
        self,
        text: str,
        connect: Connect,
        since: int | None,
        epoch: str | None,
        snapshot: bool,
        retry: tuple[float, float],
    ) -> None:
        self.filter = TopicFilter(text)
        self.epoch = epoch
        self._cursor = since
        self._connect = connect
        self._snapshot = snapshot
        self._retry = retry
        self._waits = delays(*retry)

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """Yield for ever; returns never, raises ListenerRefused."""
        while True:
            try:
                async with self._connect() as socket, aclosing(self._received(socket)) as arrivals:
                    async for arrival in arrivals:
                        yield arrival
                problem = _closed(socket)
            except aiohttp.WSServerHandshakeError as error:
                if error.status in _REFUSED_STATUS:
                    raise _refused(error.status) from error
                problem = f"{error.status} {error.message}"
            except (aiohttp.ClientError, OSError) as error:
                problem = str(error) or type(error).__name__
            wait = next(self._waits)
            log.warning("not connected (%s); next attempt in %.1f s", problem, wait)
            await asyncio.sleep(wait)

    async def _received(
        self, socket: aiohttp.ClientWebSocketResponse
    ) -> AsyncGenerator[Arrival, None]:
        await socket.send_str(json.dumps(self._subscription()))
        epoch = None
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            frame = json.loads(message.data)
            match frame["type"]:
                case "hello":
                    epoch = frame["epoch"]
                case "ack":
                    self._begin(epoch, frame["seq"])
                case "error":
                    self._complain(frame)
                    return
                case _:
                    self._advance(frame)
                    yield Arrival(frame, self._cursor)

    def _subscription(self) -> dict[str, Any]:
        request = {"type": "subscribe", "id": "frames", "filter": self.filter.text}
        if self._cursor is None:
            return request if self._snapshot else {**request, "snapshot": False}
        return {**request, "since": self._cursor, **({"epoch": self.epoch} if self.epoch else {})}

    def _begin(self, epoch: str | None, newest: int) -> None:
        self.epoch = epoch
        self._waits = delays(*self._retry)
        if self._cursor is None:  # otherwise the frames up to `newest` are still to come
            self._cursor = newest

    def _advance(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "gap":
            self._cursor = frame["to"]
        elif (
            self._cursor is None or frame["seq"] > self._cursor
        ):  # the snapshot is older than the cursor
            self._cursor = frame["seq"]

    def _complain(self, error: dict[str, Any]) -> None:
        code = str(error.get("code"))
        problem = f"{code}: {error.get('message')}"
        if code not in _PASSING:
            refusal = ListenerRefused(f"the gateway refused {self.filter.text!r}: {problem}")
            refusal.code = code
            raise refusal
        log.warning("%s", problem)


async def _alone(feed: _Feed) -> AsyncGenerator[tuple[_Feed, Arrival], None]:
    async with aclosing(feed.arrivals()) as arrivals:
        async for arrival in arrivals:
            yield feed, arrival


async def _merged(feeds: list[_Feed]) -> AsyncGenerator[tuple[_Feed, Arrival], None]:
    """Yield what any feed has; a frame that several have is given by the first of them."""
    queue: asyncio.Queue[tuple[_Feed, Arrival] | Exception] = asyncio.Queue(_BACKLOG)
    tasks = [
        asyncio.create_task(_pass_on(feed, feeds[:place], queue))
        for place, feed in enumerate(feeds)
    ]
    try:
        while True:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(
    feed: _Feed, before: list[_Feed], queue: asyncio.Queue[tuple[_Feed, Arrival] | Exception]
) -> None:
    try:
        async with aclosing(feed.arrivals()) as arrivals:
            async for arrival in arrivals:
                if not any(_matches(other, arrival.frame) for other in before):
                    await queue.put((feed, arrival))
    except Exception as error:  # the program that iterates must know
        await queue.put(error)


def _matches(feed: _Feed, frame: dict[str, Any]) -> bool:
    return "channel" in frame and feed.filter.matches(f"{frame['device']}/{frame['channel']}")


def _answered(status: int, body: bytes) -> GatewayError:
    """Return the error that an answer says: a problem document (RFC 9457), or any text."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    said = problem if isinstance(problem, dict) else {}
    text = str(said.get("detail") or body[:500].decode(errors="replace") or f"status {status}")
    kinds: dict[int, type[GatewayError]] = {NoReply.status: NoReply}
    kinds |= dict.fromkeys(_REFUSED_STATUS, ListenerRefused)
    error = kinds.get(status, GatewayError)(text)
    error.status, error.code = status, str(said.get("code") or error.code)
    return error


def _refused(status: int) -> ListenerRefused:
    """Return what a wrong token, or one that may not listen, is told."""
    error = ListenerRefused(
        f"the gateway refused the token ({status}): it is wrong, has expired or was revoked. "
        "`gateway token add` makes a new one."
    )
    error.status, error.code = status, "unauthenticated" if status == 401 else "forbidden"
    return error


def _closed(socket: aiohttp.ClientWebSocketResponse) -> str:
    if socket.close_code in _REFUSED_CLOSE:
        raise _refused(socket.close_code - 4_000)
    return f"closed with code {socket.close_code}"


def _http(url: str) -> URL:
    base = URL(url)
    if base.scheme not in _SCHEMES or not base.host:
        raise ValueError(
            f"{url!r} is not the address of a gateway, such as http://192.168.1.10:8080"
        )
    return base.with_scheme(_SCHEMES[base.scheme])
