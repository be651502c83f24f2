"""Frames as server-sent events: `GET /api/v1/stream` (HTML standard, section 9.2).

`id` is `{epoch}-{seq}`, `event` the type, `data` the frame; `Last-Event-ID`, or `after`, resumes.
Events leave as bytes made once for all listeners, in one write a batch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from gateway.bridges.edge.cursors import UNKNOWN, Cursor
from gateway.bridges.edge.listening import listening
from gateway.bridges.edge.sockets import Outlet
from gateway.errors import Invalid, Unauthenticated
from gateway.frames import encode
from gateway.hub import Encoding, Listener, Subscription
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from gateway.access.principal import Principal
    from gateway.bridges.edge.door import Door
    from gateway.frames import Entry
    from gateway.hub import Hub

# s between comments: proxies keep the stream open, and a lost listener is noticed
KEEP_ALIVE = 10.0
RETRY = 2_000  # ms a browser waits before it comes back
MAX_FILTERS = 100

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def _chunk(data: bytes) -> bytes:
    """Return bytes as one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def encoding(epoch: str, *, chunked: bool) -> Encoding:
    """Return frames as events, whose ids say which database they are from.

    A frame is one line, so one `data` field holds it. HTTP/1.0 knows no chunks.
    """
    prefix = f"id: {epoch}-".encode()

    def event(seq: int, entry: Entry, data: bytes) -> bytes:
        return b"%b%d\nevent: %b\ndata: %b\n\n" % (prefix, seq, entry[0].type.encode(), data)

    def gap(first: int, last: int) -> bytes:
        data = encode({"type": "gap", "from": first, "to": last})
        told = b"%b%d\nevent: gap\ndata: %b\n\n" % (prefix, last, data)
        return _chunk(told) if chunked else told

    if not chunked:
        return Encoding(frame=event, gap=gap)
    return Encoding(frame=event, join=lambda parts: _chunk(b"".join(parts)), gap=gap)


class Streams:
    """The listeners on `/api/v1/stream`."""

    def __init__(self, *, hub: Hub, door: Door) -> None:
        self._hub = hub
        self._door = door
        self._chunked = encoding(hub.epoch, chunked=True)
        self._plain = encoding(hub.epoch, chunked=False)
        self._open: dict[asyncio.Event, Principal] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one listener until it goes."""
        principal = self._door.who(request)
        if principal is None:
            raise Unauthenticated
        outlet = Outlet(request)
        chunked = request.version >= HttpVersion11
        form = self._chunked if chunked else self._plain
        listener = Listener(self._hub, outlet, form, self._door.view(principal))
        self._subscribe(listener, request)
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        await response.write(
            f"retry: {RETRY}\n: epoch {self._hub.epoch} seq {self._hub.seq}\n\n".encode()
        )
        ended = asyncio.Event()
        self._open[ended] = principal
        try:
            async with listening(listener, lambda error: ended.set()):
                for key in listener.subscriptions:
                    listener.begin(key)
                await _stay(outlet, response, ended)
        finally:
            del self._open[ended]
        return response

    def _subscribe(self, listener: Listener, request: web.Request) -> None:
        filters = request.query.getall("filter", ["#"])
        if len(filters) > MAX_FILTERS:
            raise Invalid(f"one stream has {MAX_FILTERS} filters at most")
        since, epoch = _cursor(request) or (None, None)
        if since is not None and since > self._hub.seq:
            since, epoch = UNKNOWN
        for text in dict.fromkeys(filters):
            listener.subscribe(text, Subscription(TopicFilter(text)), since, epoch)

    def recheck(self) -> None:
        """End the streams whose sign-in holds no longer."""
        for ended, principal in self._open.items():
            if not self._door.valid(principal):
                ended.set()

    async def close(self) -> None:
        """End every stream; its listener comes back with `Last-Event-ID`."""
        for ended in self._open:
            ended.set()


async def _stay(outlet: Outlet, response: web.StreamResponse, ended: asyncio.Event) -> None:
    """Keep a stream open until it has ended, or its peer has gone."""
    while outlet.open and not ended.is_set():
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                await ended.wait()
        except TimeoutError:
            if outlet.open and not outlet.backlog():
                await response.write(b":\n\n")


def _cursor(request: web.Request) -> Cursor | None:
    """Return where the stream goes on, if anywhere.

    What a browser sends by itself is never refused: it would give up. It is told of a gap instead.
    """
    told = request.headers.get("Last-Event-ID")
    if told:
        try:
            return Cursor.parse(told)
        except Invalid:
            return UNKNOWN
    after = request.query.get("after")
    if after is None:
        return None
    seq, epoch = Cursor.parse(after)
    return Cursor(seq, epoch or request.query.get("epoch"))
