"""Frames as server-sent events: `GET /api/v1/stream` (HTML standard, section 9.2).

`id` is the seq, `event` the type, `data` the frame; `Last-Event-ID`, or `after`, resumes. Events
leave as bytes made once for all listeners, in one write a batch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from gateway.bridges.edge.sockets import Outlet
from gateway.errors import Invalid, Unauthenticated
from gateway.frames import to_json
from gateway.hub import Listener, Subscription, Wire
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from gateway.access.principal import Principal
    from gateway.bridges.edge.door import Door
    from gateway.frames import Entry
    from gateway.hub import Hub

KEEP_ALIVE = (
    10.0  # s between comments, so that proxies keep the stream open and a lost listener is noticed
)
RETRY = 2_000  # ms a browser waits before it comes back
MAX_FILTERS = 100

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def event(seq: int, entry: Entry, data: bytes) -> bytes:
    """Return a frame as one event; a frame is one line, so one `data` field holds it."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, entry[0].type.encode(), data)


def _gap_event(first: int, last: int) -> bytes:
    data = to_json({"type": "gap", "from": first, "to": last}).encode()
    return b"id: %d\nevent: gap\ndata: %b\n\n" % (last, data)


def _chunk(data: bytes) -> bytes:
    """Return bytes as one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = Wire(
    form=event,
    join=lambda parts: _chunk(b"".join(parts)),
    gap=lambda first, last: _chunk(_gap_event(first, last)),
)
PLAIN = Wire(form=event, join=b"".join, gap=_gap_event)  # HTTP/1.0 knows no chunks


class Streams:
    """The listeners on `/api/v1/stream`."""

    def __init__(self, *, hub: Hub, door: Door) -> None:
        self._hub = hub
        self._door = door
        self._open: dict[asyncio.Event, Principal] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one listener until it goes."""
        principal = self._door.who(request)
        if principal is None:
            raise Unauthenticated
        response = web.StreamResponse(headers=HEADERS)
        outlet = Outlet(request)
        chunked = request.version >= HttpVersion11
        listener = Listener(
            self._hub, outlet, CHUNKED if chunked else PLAIN, self._door.view(principal)
        )
        self._subscribe(listener, request)
        await response.prepare(request)
        await response.write(
            f"retry: {RETRY}\n: epoch {self._hub.epoch} seq {self._hub.seq}\n\n".encode()
        )
        ended = asyncio.Event()
        self._open[ended] = principal
        try:
            await self._run(listener, outlet, response, ended)
        finally:
            listener.close()
            del self._open[ended]
        return response

    def _subscribe(self, listener: Listener, request: web.Request) -> None:
        filters = request.query.getall("filter", ["#"])
        if len(filters) > MAX_FILTERS:
            raise Invalid(f"one stream has {MAX_FILTERS} filters at most")
        since, epoch = _cursor(request), request.query.get("epoch")
        for text in dict.fromkeys(filters):
            listener.subscribe(text, Subscription(TopicFilter(text)), since, epoch)

    async def _run(
        self, listener: Listener, outlet: Outlet, response: web.StreamResponse, ended: asyncio.Event
    ) -> None:
        for key in listener.subscriptions:
            listener.begin(key)
        async with asyncio.TaskGroup() as tasks:
            catching_up = tasks.create_task(listener.run())
            while outlet.open and not ended.is_set():
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await ended.wait()
                except TimeoutError:
                    if outlet.open and not outlet.backlog():
                        await response.write(b":\n\n")
            catching_up.cancel()

    def recheck(self) -> None:
        """End the streams whose sign-in holds no longer."""
        for ended, principal in self._open.items():
            if not self._door.valid(principal):
                ended.set()

    async def close(self) -> None:
        """End every stream; its listener comes back with `Last-Event-ID`."""
        for ended in self._open:
            ended.set()


def _cursor(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("after")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(
            f"{text[:40]!r} is no cursor: the seq of the last frame you have",
            fields={"after": "a whole number"},
        )
    return int(text)
