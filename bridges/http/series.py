"""Series for charts: columns of buckets, from aggregates where they give the exact answer."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway import times  # noqa: TC001 - msgspec reads the annotations
from gateway.access.policy import Action
from gateway.bridges.http import parameters
from gateway.bridges.http.routes import API, Route
from gateway.errors import Invalid, InvalidTopic
from gateway.frames import encode
from gateway.hub.hub import KEPT_VALUES
from gateway.store.history import Span
from gateway.store.series import LEVELS, WHOLE
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission
    from gateway.bridges.http.turns import Turns
    from gateway.catalog import Catalog
    from gateway.store.series import Bucket, Extent, SeriesStore

MOST_SERIES = 100  # of one answer
MOST_POINTS = 5_000
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, *LEVELS
STEPS = (
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    _DAY,
    7 * _DAY,
)  # fmt: skip


class SeriesQuery(msgspec.Struct, kw_only=True):
    """`start <= ts < end`; if not given, from the first to the last value. Channels of a `device`
    (without `channel`: all), and pairs in `series`; together at most 100.
    """

    device: str | None = None
    channel: Annotated[list[str], Meta(max_length=MOST_SERIES)] = []
    series: Annotated[
        list[str], Meta(max_length=MOST_SERIES, description="`device/channel`, any number of times")
    ] = []
    start: times.Moment | None = None
    end: times.Moment | None = None
    points: Annotated[
        int,
        Meta(ge=1, le=MOST_POINTS, description="at most this number of buckets; if not given, 800"),
    ] = 800


class Column(msgspec.Struct, kw_only=True):
    """One channel. `t` and `value` where `step` is 0. Else a bucket without values is null in every
    list; `min`, `avg` and `max` are of numbers and booleans (0 and 1), `last` comes where there are
    others.
    """

    device: str
    channel: str
    unit: str | None
    t: list[int] | UnsetType = UNSET
    value: list[Raw] | UnsetType = UNSET
    min: list[float | None] | UnsetType = UNSET
    avg: list[float | None] | UnsetType = UNSET
    max: list[float | None] | UnsetType = UNSET
    last: list[Raw] | UnsetType = UNSET
    count: list[int | None] | UnsetType = UNSET


class SeriesAnswer(msgspec.Struct):
    """`step`: ms of a bucket, 0 where these are the values themselves. `t`: when buckets begin."""

    start: int
    end: int
    step: int
    t: list[int]
    series: list[Column]


class Chosen(NamedTuple):
    """A requested channel, with the numbers of its series."""

    device: str
    channel: str
    numbers: tuple[int, ...]


class Charts:
    """Answers what a chart shows."""

    def __init__(
        self,
        store: SeriesStore,
        catalog: Catalog,
        registry: Registry,
        permission: Permission,
        turns: Turns,
    ) -> None:
        self._turns = turns
        self._store = store
        self._catalog = catalog
        self._registry = registry
        self._permission = permission

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{API}/series",
                handler=self.get,
                summary="Channels over time as columns, for charts",
                query=SeriesQuery,
                answer=SeriesAnswer,
                also={304: "`If-None-Match` names this very answer"},
                headers={"If-None-Match": "the `ETag` of an answer that the client has"},
            )
        ]

    async def get(self, request: web.Request) -> web.Response:
        asked = parameters.query(request.query, SeriesQuery)
        _check(asked)
        for device in _devices(asked):
            self._permission.device(request, Action.READ, device)
        async with self._turns.of(request):
            answer = await self._answer(asked, self._chosen(asked))
        self._permission.again(request)
        return _respond(request, encode(answer))

    def _chosen(self, asked: SeriesQuery) -> list[Chosen]:
        pairs = [_pair(text) for text in asked.series]
        if asked.device is not None:
            pairs += [(asked.device, channel) for channel in self._channels(asked)]
        pairs = list(dict.fromkeys(pairs))
        if len(pairs) > MOST_SERIES:
            what = (
                f"{len(pairs):,} channels, at most {MOST_SERIES} in one answer: name those you need"
            )
            raise Invalid(what, fields={"channel": what})
        return [Chosen(*pair, self._numbers(*pair)) for pair in pairs]

    def _channels(self, asked: SeriesQuery) -> Iterable[str]:
        if asked.channel or asked.device is None:
            return asked.channel
        known = self._catalog.of_device(asked.device)
        return sorted({series.channel for series in known if series.type in KEPT_VALUES})

    def _numbers(self, device: str, channel: str) -> tuple[int, ...]:
        return tuple(
            series.id
            for series in self._catalog.of_device(device)
            if series.channel == channel and series.type in KEPT_VALUES
        )

    async def _answer(self, asked: SeriesQuery, chosen: Sequence[Chosen]) -> SeriesAnswer:
        extents = [await self._store.extent(one.numbers) for one in chosen]
        there = [extent for extent in extents if extent is not None]
        asked_for = _span(asked, there)
        finest = _finest(asked_for, there)
        span = asked_for  # where frames are gone, the first bucket counts whole
        if finest:
            span = Span(asked_for.start // finest * finest, asked_for.end)
        columns = [self._column(one) for one in chosen]
        if await self._values(chosen, columns, span, 2 * asked.points):
            return SeriesAnswer(*asked_for[:2], 0, [], columns)
        step = step_for(span, asked.points, finest)
        starts = list(range(span.start // step * step, span.end, step))
        for one, column in zip(chosen, columns, strict=True):
            await self._fill(one, column, span, step, starts)
        return SeriesAnswer(*asked_for[:2], step, starts, columns)

    def _column(self, one: Chosen) -> Column:
        channels = self._registry.about(one.device).get("channels", {})
        unit = channels.get(one.channel, {}).get("unit")
        return Column(device=one.device, channel=one.channel, unit=unit)

    async def _values(
        self, chosen: Sequence[Chosen], columns: Sequence[Column], span: Span, most: int
    ) -> bool:
        """Put the values themselves into columns, if all of them are there and not too many."""
        totals = []
        for one in chosen:
            counted = await self._store.buckets(one.numbers, span, WHOLE)
            totals.append(sum(bucket.total for bucket in counted))
            if totals[-1] > most:
                return False
        found = [await self._store.values(one.numbers, span, most + 1) for one in chosen]
        for total, values in zip(totals, found, strict=True):
            if not total <= len(values) <= most:  # some are gone, or many came meanwhile
                return False
        for column, values in zip(columns, found, strict=True):
            column.t = [ts for ts, _ in values]
            column.value = [Raw(_BOOLEANS.get(value, value).encode()) for _, value in values]
        return True

    async def _fill(
        self, one: Chosen, column: Column, span: Span, step: int, starts: Sequence[int]
    ) -> None:
        found = await self._store.buckets(one.numbers, span, step)
        others = any(bucket.total > bucket.numbers for bucket in found)
        if others:
            found = await self._store.buckets(one.numbers, span, step, ends=True)
        by_start: dict[int, Bucket] = {bucket.start: bucket for bucket in found}
        places = [by_start.get(start) for start in starts]
        column.count = [bucket and bucket.total for bucket in places]
        if others:
            column.last = [Raw(((bucket and bucket.last) or "null").encode()) for bucket in places]
        if not others or any(bucket.numbers for bucket in found):
            column.min = [bucket and bucket.min for bucket in places]
            column.avg = [bucket and _average(bucket) for bucket in places]
            column.max = [bucket and bucket.max for bucket in places]


_BOOLEANS = {"true": "1", "false": "0"}


def _average(bucket: Bucket) -> float | None:
    return None if bucket.sum is None else bucket.sum / bucket.numbers


def step_for(span: Span, points: int, finest: int) -> int:
    """Return the smallest step, in ms, that makes at most `points` buckets of a span; not below the
    `finest`.
    """
    step = next((step for step in STEPS if step >= finest and _fits(span, step, points)), 0)
    if step == 0:
        step = STEPS[-1]
        while not _fits(span, step, points):
            step *= 2
    return step


def _fits(span: Span, step: int, points: int) -> bool:
    return (span.end - 1) // step - span.start // step < points


def _finest(span: Span, extents: Sequence[Extent]) -> int:
    """Return the length of the shortest buckets that are still there from the span's start on."""
    gone = [
        level
        for extent in extents
        for level, begin in enumerate(extent.begins[: len(LEVELS)])
        if max(span.start, extent.first) < begin
    ]
    return LEVELS[max(gone)] if gone else 0


def _span(asked: SeriesQuery, extents: Sequence[Extent]) -> Span:
    first = min((extent.first for extent in extents), default=0)
    last = max((extent.last for extent in extents), default=0)
    start = asked.start.ms if asked.start else min(first, asked.end.ms if asked.end else first)
    return Span(start, asked.end.ms if asked.end else max(last + 1, start + 1))


def _devices(asked: SeriesQuery) -> Iterable[str]:
    named = [_pair(text)[0] for text in asked.series]
    return dict.fromkeys(named if asked.device is None else [*named, asked.device])


def _pair(text: str) -> tuple[str, str]:
    device, _, channel = text.partition("/")
    return device, channel


def _check(asked: SeriesQuery) -> None:
    wrong = {}
    if asked.device is None and not asked.series:
        wrong["device"] = "is missing; or name channels as series=device/channel"
    if asked.channel and asked.device is None:
        wrong["channel"] = "needs device"
    if asked.start and asked.end and asked.end.ms <= asked.start.ms:
        wrong["end"] = "is not after start"
    named = [("channel", channel) for channel in asked.channel]
    for name, channel in [*named, *(("series", _pair(text)[1]) for text in asked.series)]:
        try:
            check_channel(channel)
        except InvalidTopic as error:
            wrong[name] = str(error)
    if wrong:
        raise Invalid("; ".join(f"{name}: {what}" for name, what in wrong.items()), fields=wrong)


def _respond(request: web.Request, body: bytes) -> web.Response:
    """Answer, or say that the client has this very answer: late readings may change any bucket."""
    etag = sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
    if any(known.value in (etag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers, content_type="application/json")
