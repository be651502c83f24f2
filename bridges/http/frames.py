"""Frames after a cursor, by paging and by long poll; and the latest of a device."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from gateway.access.policy import Action
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, Route
from gateway.bridges.http.waiting import at_most
from gateway.errors import FutureCursor
from gateway.frames import encode
from gateway.hub.hub import KEPT_VALUES
from gateway.store.history import PAGE_BYTES
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.bridges.http.authentication import Permission
    from gateway.bridges.http.turns import Turns
    from gateway.catalog import Catalog
    from gateway.hub import Hub, IndexedView
    from gateway.store.history import Page, Row

# looks at history for one request: a narrow filter over a long history is answered in several pages
WINDOWS = 20


class FramesQuery(msgspec.Struct, kw_only=True):
    """`wait`: seconds to wait for a frame if there is none yet."""

    filter: Annotated[
        list[TopicFilter], Meta(max_length=100, description="any of these; without one, all frames")
    ] = []
    after: (
        Annotated[int, Meta(ge=0, le=2**62, description="a cursor: frames with a greater seq")]
        | None
    ) = None
    epoch: Annotated[
        str,
        Meta(description="the database that `after` is from; of another one, a gap comes first"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    wait: Annotated[
        float, Meta(ge=0, le=60, description="seconds to wait for a frame if there is none")
    ] = 0.0


class FramesPage(msgspec.Struct):
    """Frames in order of `seq`. `next`: where to go on if there may be more now.

    Where history was pruned after the cursor, or the cursor is from another database,
    `{"type":"gap","from":A,"to":B}` stands first.
    """

    frames: list[Raw]
    next: int | None


class _Found(NamedTuple):
    frames: list[Raw]
    reached: int
    more: bool


class Frames:
    """Reads frames by the one sequence."""

    def __init__(self, hub: Hub, catalog: Catalog, permission: Permission, turns: Turns) -> None:
        self._hub = hub
        self._catalog = catalog
        self._permission = permission
        self._turns = turns

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{API}/frames",
                handler=self.get,
                summary="Frames after a cursor; with `wait`, a long poll",
                query=FramesQuery,
                answer=FramesPage,
            ),
            Route(
                method="GET",
                path=f"{API}/devices/{{id}}/latest",
                handler=self.latest,
                summary="The latest frame of each channel",
                answer={"type": "object", "additionalProperties": {"type": "object"}},
            ),
        ]

    async def get(self, request: web.Request) -> web.Response:
        asked = parameters.query(request.query, FramesQuery)
        found = await self._poll(request, asked)
        self._permission.still(request)
        headers = {"Gateway-Epoch": self._hub.epoch}
        if not found.more:
            return answers.json(FramesPage(found.frames, None), headers=headers)
        headers |= answers.next_page(request, found.reached, epoch=self._hub.epoch)
        return answers.json(FramesPage(found.frames, found.reached), headers=headers)

    def _start(self, asked: FramesQuery) -> int | None:
        if asked.after is None:
            return None
        if asked.epoch and asked.epoch != self._hub.epoch:
            return -1  # before everything, so that a gap comes first
        if asked.after > self._hub.seq:
            raise FutureCursor(
                f"{asked.after} is above the newest seq, {self._hub.seq}: it is from another "
                f"database"
            )
        return asked.after

    async def _poll(self, request: web.Request, asked: FramesQuery) -> _Found:
        view = self._permission.view(request)
        filters = frozenset(asked.filter or [TopicFilter("#")])
        until = asyncio.get_running_loop().time() + asked.wait
        cursor = self._start(asked)
        while True:
            found = await self._read(request, filters, view, cursor, asked.limit)
            left = until - asyncio.get_running_loop().time()
            if found.frames or found.more or left <= 0:
                return found
            cursor = found.reached
            # Nothing is awaited between this comparison and the moment that `wait` listens: no
            # frame is missed.
            if cursor >= self._hub.seq and not await self._wait(request, filters, view, left):
                return found

    async def _wait(
        self,
        request: web.Request,
        filters: frozenset[TopicFilter],
        view: IndexedView,
        seconds: float,
    ) -> bool:
        try:
            async with at_most(request, seconds):
                await self._hub.wait(filters, view)
        except TimeoutError:
            return False
        return True

    async def _read(
        self,
        request: web.Request,
        filters: frozenset[TopicFilter],
        view: IndexedView,
        cursor: int | None,
        limit: int,
    ) -> _Found:
        """Read one page, up to the newest frame at this moment; about a megabyte is enough."""
        upto, frames, reached = self._hub.seq, list[Raw](), cursor or 0
        series, left = await self._hub.matching(filters, view), PAGE_BYTES
        for _ in range(WINDOWS):
            async with self._turns.of(request):
                page = await self._hub.read(reached, upto, series, limit - len(frames))
            frames += self._gap(cursor, page)
            frames += self._frames(page.rows, view)
            cursor = reached = page.reached
            left -= sum(len(row[3]) for row in page.rows)
            if reached >= upto or len(frames) >= limit or left <= 0:
                break
        return _Found(frames, reached, reached < upto)

    def _gap(self, cursor: int | None, page: Page) -> list[Raw]:
        if cursor is None or page.floor <= cursor:
            return []
        return [Raw(encode({"type": "gap", "from": cursor + 1, "to": page.floor}))]

    def _frames(self, rows: list[Row], view: IndexedView) -> list[Raw]:
        found = (
            (self._catalog.get(number), seq, ts, value, extra)
            for seq, number, ts, value, extra in rows
        )
        return [
            Raw(series.json(seq, ts, value, extra))
            for series, seq, ts, value, extra in found
            if series is not None and view.sees(series.device)
        ]

    async def latest(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.READ, request.match_info["id"])
        kept = [
            s
            for s in self._catalog.of_device(device.id)
            if s.latest is not None and s.type in KEPT_VALUES
        ]
        latest: dict[str, Any] = {}
        for series in sorted(kept, key=lambda s: (s.latest_ts, s.latest_seq)):
            latest[series.channel] = Raw(series.latest or b"null")
        return answers.json(latest)
