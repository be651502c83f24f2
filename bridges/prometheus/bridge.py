"""The routes under `/prometheus/api/v1`, as Grafana's Prometheus source asks for them."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.bridges.edge import bodies
from gateway.bridges.prometheus.evaluation import Vector, evaluate, reaches
from gateway.bridges.prometheus.language import milliseconds, parse, parse_selector
from gateway.bridges.prometheus.refusals import TooMuch
from gateway.bridges.prometheus.samples import NAME, Samples, chosen, labels_of
from gateway.errors import GatewayError, Invalid, Unauthenticated
from gateway.frames import MAX_TS, encode
from gateway.times import from_rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from gateway.access.principal import Principal
    from gateway.bridges.edge.door import Door
    from gateway.bridges.prometheus.language import Expression
    from gateway.catalog import Catalog
    from gateway.frames import Series
    from gateway.shapes import Clock
    from gateway.store.history import HistoryStore

    Handler = Callable[[web.Request], Awaitable[web.Response]]

PREFIX = "/prometheus/api/v1"
VERSION = "2.42.0"  # the Prometheus whose answers these are; Grafana asks by it what there is
MAX_POINTS = 11_000  # of a series, as in Prometheus
MAX_ANSWER = 500_000  # points of all series
MAX_PAIRS = 1_000  # of a query's parameters

_ERRORS = {
    400: "bad_data", 401: "unauthorized", 403: "forbidden", 422: "execution", 503: "unavailable",
}  # fmt: skip
_HELP = "What the channels of the gateway's devices sent: numbers, and true and false as 1 and 0"

Given = dict[str, list[str]]


class Turns(Protocol):
    """Who may have a query worked on."""

    def of(self, request: web.Request) -> AbstractAsyncContextManager[None]:
        """Wait for a turn of the request's user, and hold it. Raises `TooMany`."""


class Prometheus:
    """Answers queries with what the asker sees. `clock`: ms since 1970 UTC."""

    def __init__(
        self,
        *,
        door: Door,
        catalog: Catalog,
        history: HistoryStore,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._turns = turns
        self._door = door
        self._catalog = catalog
        self._history = history
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        answers: dict[str, Callable[[Principal, web.Request, Given], Awaitable[Any]]] = {
            "/query": self.query,
            "/query_range": self.query_range,
            "/labels": self.labels,
            "/label/{name}/values": self.values,
            "/series": self.series,
            "/metadata": self.metadata,
            "/status/buildinfo": self.build,
            "/{rest:.*}": self.nothing,
        }
        return [
            add(PREFIX + path, self._answering(answer))
            for path, answer in answers.items()
            for add in (web.get, web.post)
        ]

    def _answering(
        self, answer: Callable[[Principal, web.Request, Given], Awaitable[Any]]
    ) -> Handler:
        """Return the handler: sign-in, the parameters, and errors as Prometheus tells them."""

        async def handle(request: web.Request) -> web.Response:
            try:
                principal = self._door.who(request)
                if principal is None:
                    raise Unauthenticated
                data = await answer(principal, request, await _given(request))
                if not self._door.valid(principal):
                    raise Unauthenticated
            except GatewayError as error:
                await asyncio.sleep(error.delay)
                return _refused(error)
            return _json(200, {"status": "success", "data": data})

        return handle

    async def query(self, principal: Principal, request: web.Request, given: Given) -> Any:
        """One time."""
        time = _time(given, "time", self._clock())
        found = await self._evaluated(request, principal, _one(given, "query"), [time])
        if isinstance(found, float):
            return {"resultType": "scalar", "result": [_seconds(time), _text(found)]}
        return {
            "resultType": "vector",
            "result": [
                {"metric": dict(labels), "value": [_seconds(time), _text(points[0])]}
                for labels, points in sorted(found.items())
                if points[0] is not None
            ],
        }

    async def query_range(self, principal: Principal, request: web.Request, given: Given) -> Any:
        """A row of times."""
        start, end, step = _time(given, "start"), _time(given, "end"), _step(given)
        if end < start:
            raise Invalid("end is before start")
        if (end - start) // step >= MAX_POINTS:
            raise Invalid(f"more than {MAX_POINTS:,} points of a series: take a longer step")
        times = list(range(start, end + 1, step))
        found = await self._evaluated(request, principal, _one(given, "query"), times)
        rows: Vector = {(): [found] * len(times)} if isinstance(found, float) else found
        return {"resultType": "matrix", "result": await asyncio.to_thread(_matrix, rows, times)}

    async def labels(self, principal: Principal, _: web.Request, given: Given) -> Any:
        return sorted(
            {name for each in self._matched(principal, given) for name, _ in labels_of(each)}
        )

    async def values(self, principal: Principal, request: web.Request, given: Given) -> Any:
        name = request.match_info["name"]
        found = (dict(labels_of(each)).get(name) for each in self._matched(principal, given))
        return sorted({value for value in found if value is not None})

    async def series(self, principal: Principal, _: web.Request, given: Given) -> Any:
        if "match[]" not in given:
            raise Invalid('match[]: is missing, such as match[]=value{device="kitchen"}')
        return [dict(labels_of(each)) for each in self._matched(principal, given)]

    async def metadata(self, *_: Any) -> Any:
        return {NAME: [{"type": "gauge", "help": _HELP, "unit": ""}]}

    async def build(self, *_: Any) -> Any:
        told = ("revision", "branch", "buildUser", "buildDate", "goVersion")
        return {"version": VERSION, **dict.fromkeys(told, "")}

    async def nothing(self, *_: Any) -> Any:
        paths = "query, query_range, labels, label/NAME/values, series, metadata, status/buildinfo"
        raise Invalid(f"there is nothing at this path; there are {paths}")

    async def _evaluated(
        self, request: web.Request, principal: Principal, text: str, times: list[int]
    ) -> float | Vector:
        expression = parse(text)
        async with self._turns.of(request):
            read = await self._read(principal, expression, times)
            if sum(map(len, read.values())) * len(times) > MAX_ANSWER:
                raise TooMuch(
                    f"more than {MAX_ANSWER:,} points: take a longer step or fewer channels"
                )
            return await asyncio.to_thread(evaluate, expression, times, read)

    async def _read(self, principal: Principal, expression: Expression, times: list[int]) -> Any:
        samples, seen = Samples(self._history, times), list(self._seen(principal))
        return {reach: await samples.read(seen, reach) for reach in set(reaches(expression))}

    def _matched(self, principal: Principal, given: Given) -> list[Series]:
        """Return the series that one of the `match[]` matches; without one, all."""
        seen = list(self._seen(principal))
        if "match[]" not in given:
            return seen
        selectors = [parse_selector(text) for text in given["match[]"]]
        found = {each.path: each for selector in selectors for each in chosen(seen, selector)}
        return [found[path] for path in sorted(found)]

    def _seen(self, principal: Principal) -> Iterator[Series]:
        """Yield the channels that the principal sees."""
        view = self._door.view(principal)
        devices = view.devices()
        for device in list(self._catalog.devices() if devices is None else devices):
            if view.sees(device):
                yield from (s for s in self._catalog.of_device(device) if s.type == "telemetry")


async def _given(request: web.Request) -> Given:
    """Return the parameters of the query and of a form; raises `Invalid`."""
    body = await bodies.read(request) if request.method == "POST" else b""
    given: Given = {name: list(request.query.getall(name)) for name in request.query}
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS
        )
    except ValueError:
        raise Invalid("the body is not a form in UTF-8") from None
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return given


def _one(given: Given, name: str) -> str:
    if name not in given:
        raise Invalid(f"{name}: is missing")
    return given[name][0]


def _time(given: Given, name: str, missing: int | None = None) -> int:
    """Return a time in ms: seconds since 1970, or RFC 3339."""
    if name not in given and missing is not None:
        return missing
    text = _one(given, name)
    try:
        found = round(float(text) * 1000) if text[-1:].isdigit() else from_rfc3339(text)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= MAX_TS:
        raise Invalid(f"{name}: {text[:40]!r} is neither seconds since 1970 nor an RFC 3339 time")
    return found


def _step(given: Given) -> int:
    text = _one(given, "step")
    try:
        step = round(float(text) * 1000)
    except (ValueError, OverflowError):
        step = milliseconds(text)
    if not 0 < step <= MAX_TS:
        raise Invalid("step: is a number of seconds above 0, or a duration such as 1m")
    return step


def _matrix(found: Vector, times: list[int]) -> list[dict[str, Any]]:
    seconds = [_seconds(time) for time in times]
    return [
        {
            "metric": dict(labels),
            "values": [
                [at, _text(point)]
                for at, point in zip(seconds, points, strict=True)
                if point is not None
            ],
        }
        for labels, points in sorted(found.items())
    ]


def _seconds(ms: int) -> float:
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def _text(value: float | None) -> str:
    """Write a number as Prometheus does: all digits, no exponent."""
    assert value is not None
    if math.isnan(value):
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text.removesuffix(".0")


def _refused(error: GatewayError) -> web.Response:
    kind = _ERRORS.get(error.status, "internal")
    headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gateway", Basic realm="gateway"'
    return _json(error.status, {"status": "error", "errorType": kind, "error": str(error)}, headers)


def _json(status: int, value: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=encode(value), status=status, headers=headers, content_type="application/json"
    )
