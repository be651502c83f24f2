"""History by time: frames, buckets, and a whole range as CSV or lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway import times  # noqa: TC001 - msgspec reads the annotations
from gateway.access.policy import Action
from gateway.bridges.http import answers, buckets, export, parameters
from gateway.bridges.http.cursors import Point
from gateway.bridges.http.routes import API, Route
from gateway.bridges.http.turns import AGGREGATES, Turns
from gateway.errors import Invalid, InvalidTopic
from gateway.frames import MAX_TS, Frame
from gateway.hub.hub import KEPT_VALUES
from gateway.store.history import PAGE_BYTES, Function, Span
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from aiohttp import web

    from gateway.bridges.http.authentication import Permission
    from gateway.catalog import Catalog
    from gateway.store.history import HistoryStore

PAGE = 1_000
LONGEST_PAGE = 10_000  # of JSON, which is held in memory

FrameType: TypeAlias = Literal["telemetry", "presence", "command", "reply"]
_NAME = "(avg|min|max|count|first|last)"


class HistoryQuery(msgspec.Struct, kw_only=True):
    """`start <= ts < end`. Without `type`: telemetry and presence. `every` asks for buckets, of one
    channel.
    """

    device: str
    channel: Annotated[
        list[str], Meta(max_length=100, description="any of these; without one, all")
    ] = []
    type: Annotated[
        list[FrameType], Meta(max_length=4, description="without one, telemetry and presence")
    ] = []
    start: times.Moment | None = None
    end: times.Moment | None = None
    order: Literal["asc", "desc"] = "asc"
    limit: (
        Annotated[
            int, Meta(ge=1, description="json: at most 10,000, if not given 1,000; files: no end")
        ]
        | None
    ) = None
    after: Point | None = None
    every: times.Duration | None = None
    fn: (
        Annotated[
            str,
            Meta(pattern=f"^{_NAME}(,{_NAME})*$", description="with `every`; if not given, avg"),
        ]
        | None
    ) = None
    format: Literal["json", "csv", "ndjson"] = "json"


class HistoryPage(msgspec.Struct):
    """Frames in order of (ts, seq), or buckets where `every` asks for them. `next`: pass it as
    `after` to go on.
    """

    frames: list[Raw] | UnsetType = UNSET
    buckets: list[dict[str, Any]] | UnsetType = UNSET
    next: str | None = None


class History:
    """Reads what there was, a page at a time."""

    def __init__(
        self, store: HistoryStore, catalog: Catalog, permission: Permission, turns: Turns
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._permission = permission
        self._turns = turns
        self._aggregates = Turns(AGGREGATES)

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{API}/history",
                handler=self.get,
                summary="Frames of a device by time, or aggregates of a channel",
                query=HistoryQuery,
                answer=HistoryPage,
                media=("text/csv", "application/x-ndjson"),
            )
        ]

    async def get(self, request: web.Request) -> web.StreamResponse:
        asked = parameters.query(request.query, HistoryQuery)
        self._permission.device(request, Action.READ, asked.device)
        _check(asked)
        if asked.every is None:
            return await self._frames(request, asked)
        return await self._buckets(request, asked, asked.every.ms)

    def _series(self, asked: HistoryQuery) -> list[int]:
        types = frozenset[str](asked.type) or KEPT_VALUES
        channels = frozenset(asked.channel)
        return [
            series.id
            for series in self._catalog.of_device(asked.device)
            if series.type in types and (not channels or series.channel in channels)
        ]

    async def _frames(self, request: web.Request, asked: HistoryQuery) -> web.StreamResponse:
        if asked.format != "json":
            form = export.FRAMES[asked.format]
            return await export.send(
                request, form, _file_name(asked), self._frame_pages(request, asked)
            )
        frames, whole = await self._page(request, asked)
        last = None if whole or not frames else frames[-1]
        following = str(Point(last.ts, last.seq)) if last else None
        return _answer(request, HistoryPage([Raw(frame.json) for frame in frames], next=following))

    async def _page(self, request: web.Request, asked: HistoryQuery) -> tuple[list[Frame], bool]:
        """Read one page of JSON: at most the limit, or about a megabyte. Tell whether it
        is all that there is.
        """
        frames, left = list[Frame](), PAGE_BYTES
        async for page in self._frame_pages(request, asked):
            for frame in page:
                frames.append(frame)
                left -= len(frame.json)
                if left <= 0:
                    return frames, False
        return frames, len(frames) < _limit(asked)

    async def _frame_pages(
        self, request: web.Request, asked: HistoryQuery
    ) -> AsyncIterator[Iterable[Frame]]:
        """Read page by page, for as long as the principal may."""
        series, span, left = self._series(asked), _span(asked), _limit(asked)
        while left > 0:
            limit = min(PAGE, left)
            newest_first = asked.order == "desc"
            async with self._turns.of(request):
                rows = await self._store.by_time(series, span, limit, newest_first=newest_first)
            self._permission.again(request)
            found = (
                (seq, self._catalog.get(number), ts, value, extra)
                for seq, number, ts, value, extra in rows
            )
            yield [
                Frame(seq, series, ts, value, extra)
                for seq, series, ts, value, extra in found
                if series
            ]
            if len(rows) < limit and sum(len(row[3]) for row in rows) < PAGE_BYTES:
                return
            span = span._replace(after=(rows[-1][2], rows[-1][0]))
            left -= len(rows)

    async def _buckets(
        self, request: web.Request, asked: HistoryQuery, every: int
    ) -> web.StreamResponse:
        functions = cast("list[Function]", list(dict.fromkeys((asked.fn or "avg").split(","))))
        span = _span(asked)
        if asked.after is not None:
            span = Span(max(span.start, asked.after.ts), span.end)
        pages = self._bucket_pages(
            request,
            asked,
            buckets.pages(self._store, self._series(asked), span, every, functions),
        )
        if asked.format != "json":
            return await export.send(
                request, export.buckets(asked.format, functions), _file_name(asked), pages
            )
        found = [bucket async for page in pages for bucket in page]
        following = (
            str(Point(found[-1]["ts"] + every, 0)) if len(found) == (asked.limit or PAGE) else None
        )
        return _answer(request, HistoryPage(buckets=found, next=following))

    async def _bucket_pages(
        self, request: web.Request, asked: HistoryQuery, pages: AsyncIterator[list[buckets.Bucket]]
    ) -> AsyncIterator[list[buckets.Bucket]]:
        left = _limit(asked)
        while left > 0:
            async with self._aggregates.of(request), self._turns.of(request):
                page = await anext(pages, None)
            self._permission.again(request)
            if page is None:
                return
            yield page[:left]
            left -= len(page)


def _check(asked: HistoryQuery) -> None:
    wrong = {}
    try:
        list(map(check_channel, asked.channel))
    except InvalidTopic as error:
        wrong["channel"] = str(error)
    if asked.start and asked.end and asked.end.ms <= asked.start.ms:
        wrong["end"] = "is not after start"
    if asked.limit and asked.limit > LONGEST_PAGE and asked.format == "json":
        wrong["limit"] = f"at most {LONGEST_PAGE} with format=json"
    if asked.every and len(asked.channel) != 1:
        wrong["channel"] = "exactly one with every"
    if asked.every and asked.order == "desc":
        wrong["order"] = "buckets come in ascending order"
    if asked.fn and not asked.every:
        wrong["fn"] = "needs every"
    if wrong:
        raise Invalid("; ".join(f"{name}: {what}" for name, what in wrong.items()), fields=wrong)


def _span(asked: HistoryQuery) -> Span:
    after = (asked.after.ts, asked.after.seq) if asked.after and not asked.every else None
    return Span(
        asked.start.ms if asked.start else 0, asked.end.ms if asked.end else MAX_TS + 1, after
    )


def _limit(asked: HistoryQuery) -> int:
    return asked.limit or (PAGE if asked.format == "json" else 2**62)


def _file_name(asked: HistoryQuery) -> str:
    return f"{asked.device}.{asked.format}".replace(":", "-")  # no file system minds it


def _answer(request: web.Request, page: HistoryPage) -> web.Response:
    return answers.json(page, headers=answers.next_page(request, page.next) if page.next else None)
