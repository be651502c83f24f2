"""InfluxDB's way in: line protocol by `POST /write` and `POST /api/v2/write`, as Telegraf and the
InfluxDB clients send it.

The tag `device`, else `host`, names a line's device; without them it is the device that has signed
in. Good lines are stored, all in one transaction; bad ones are told, and kept among the rejected.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.access.keys import TOKEN_PREFIX
from gateway.access.policy import Action
from gateway.bridges.edge import bodies
from gateway.errors import (
    Conflict,
    GatewayError,
    Invalid,
    NotFound,
    TooMany,
    Unauthenticated,
    Untranslatable,
)
from gateway.frames import encode, received_extra
from gateway.payloads.line import NAMES_THE_DEVICE, Point, channel, lines
from gateway.payloads.plain import text_of
from gateway.payloads.reading import timestamp
from gateway.store.facts import rejection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.bridges.edge.door import Door
    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.pace import Pace
    from gateway.shapes import Clock, TellOfDevice
    from gateway.store.facts import Fact

    Handler = Callable[[web.Request], Awaitable[web.Response]]

BODY = 1 << 20  # bytes of a body; Telegraf's batch of 1,000 lines has a fifth of it
MOST_LINES = 10_000  # of one body
AT_ONCE = 500  # lines that are read before others have their turn
MOST_KEPT = 50  # bad lines of one body that are kept among the rejected
MOST_SAID = 5  # bad lines of one body that the answer tells
VERSION = "2.7.0"  # the InfluxDB whose answers these are; clients look at its first number

PRECISIONS = {
    **dict.fromkeys(("n", "ns"), (1, 1_000_000)),
    **dict.fromkeys(("u", "us"), (1, 1_000)),
    "ms": (1, 1),
    "s": (1_000, 1),
    "m": (60_000, 1),
    "h": (3_600_000, 1),
}
"""What a unit of `precision` is in ms: a pair, multiplier and divisor."""

_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    409: "conflict",
    413: "request too large",
    429: "too many requests",
    503: "unavailable",
}


Unit: TypeAlias = tuple[int, int]


class Batch(NamedTuple):
    """What a body holds: frames of the good lines, and what is wrong with the others, by number."""

    entries: list[Entry]
    wrong: list[tuple[int, str | None, str]]  # line, device, reason
    lines: int


class Influx:
    """Takes lines in. `seen(device)` hears of every device that sent some itself; `clock`: ms since
    1970 UTC.
    """

    def __init__(
        self,
        *,
        door: Door,
        registry: Registry,
        intake: Intake,
        catalog: Catalog,
        pace: Pace,
        seen: TellOfDevice,
        clock: Clock,
        max_size: int,
    ) -> None:
        self._door = door
        self._registry = registry
        self._intake = intake
        self._catalog = catalog
        self._pace = pace
        self._seen = seen
        self._clock = clock
        self._max_size = max(max_size, BODY)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/write", _told(self.write)),
            web.post("/api/v2/write", _told(self.write)),
            web.post("/query", _told(self.query)),
            web.get("/ping", self.ping),
            web.get("/health", self.health),
        ]

    async def ping(self, request: web.Request) -> web.Response:
        """Say that it is there; like `/healthz`, to everybody."""
        headers = {"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "OSS"}
        if request.query.get("verbose", "false") in {"", "0", "false"}:
            return web.Response(status=204, headers=headers)
        return _json(200, {"version": VERSION}, headers)

    async def health(self, _: web.Request) -> web.Response:
        """Say whether it stores what comes; to everybody, as `/readyz`."""
        refuses = self._intake.refusal is not None
        said: dict[str, Any] = {
            "name": "influxdb",
            "message": "cannot store at the moment" if refuses else "ready for queries and writes",
            "status": "fail" if refuses else "pass",
            "checks": [],
            "version": VERSION,
        }
        return _json(503 if refuses else 200, said)

    async def query(self, request: web.Request) -> web.Response:
        """Answer Telegraf, which makes its database before it writes; there is nothing to make."""
        self._sign_in(request)
        form = dict(parse_qsl((await bodies.read(request)).decode("utf-8", "replace")))
        asked = form.get("q") or request.query.get("q", "")
        if not str(asked).lstrip().upper().startswith("CREATE DATABASE"):
            raise Invalid("InfluxQL is not spoken here: read by /api/v1/history or /prometheus")
        return _json(200, {"results": [{"statement_id": 0}]})

    async def write(self, request: web.Request) -> web.Response:
        """Store the lines of a body, and answer 204 once that is done."""
        principal = self._sign_in(request)
        unit = _unit(request)
        body = await bodies.read(request.clone(client_max_size=self._max_size))
        now = self._clock()
        batch = await self._read(principal, text_of(body), unit, now)
        if not self._door.valid(principal):
            raise Unauthenticated
        kept = [self._rejection(request.path, wrong, now) for wrong in batch.wrong[:MOST_KEPT]]
        if batch.entries:
            await self._intake.store(batch.entries, kept, len(body))
        elif kept:
            self._intake.submit((), facts=kept)
        if batch.wrong:
            return _error(400, "invalid", _partly(batch))
        return web.Response(status=204, headers={"X-Influxdb-Version": VERSION})

    def _sign_in(self, request: web.Request) -> Principal:
        """Return who writes: by `Token`, `Bearer`, `Basic`, or `u` and `p` of the query."""
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() == "token":
            return self._by_token(request, value.strip())
        if not scheme and "p" in request.query:
            return self._door.key(request, request.query.get("u", ""), request.query["p"])
        principal = self._door.who(request)
        if principal is None:
            raise Unauthenticated
        return principal

    def _by_token(self, request: web.Request, value: str) -> Principal:
        device, colon, key = value.partition(":")
        if value.startswith(TOKEN_PREFIX):
            return self._door.token(request, value)
        if not colon:
            raise Unauthenticated("Token takes an API token, or DEVICE:KEY")
        return self._door.key(request, device, key)

    async def _read(self, principal: Principal, text: str, unit: Unit, now: int) -> Batch:
        batch = Batch([], [], text.count("\n") + 1)
        if batch.lines > MOST_LINES:
            raise Invalid(f"more than {MOST_LINES:,} lines: send smaller batches")
        refused: dict[str, str | None] = {}
        for number, line in lines(text):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(line, Untranslatable):
                batch.wrong.append((number, None, str(line)))
                continue
            device = next((line.tags[tag] for tag in NAMES_THE_DEVICE if tag in line.tags), None)
            device = principal.device if device is None else device
            why = self._refusal(principal, device, refused)
            try:
                if why is None and device is not None:
                    batch.entries.extend(self._entries(device, line, unit, now))
            except (Untranslatable, TooMany) as error:
                why = str(error)
            if why is not None:
                batch.wrong.append((number, device, why))
        return batch

    def _refusal(
        self, principal: Principal, device: str | None, known: dict[str, str | None]
    ) -> str | None:
        """Return why nothing is taken for a device, once found out for the whole body. Raises
        `TooMany` where it sends too often, before anything is stored.
        """
        if device is None:
            return "no device: give the line a tag device=ID, or sign in as the device"
        if device not in known:
            known[device] = None
            try:
                self._demand(principal, device)
                self._pace.admit(device)
            except TooMany:
                raise
            except GatewayError as error:
                known[device] = str(error)
        return known[device]

    def _demand(self, principal: Principal, device: str) -> None:
        self._door.demand(principal, Action.WRITE, device)
        found = self._registry.devices.get(device)
        if found is None:
            raise NotFound(f"there is no device {device[:80]!r}")
        if found.disabled:
            raise Conflict(f"the device {device!r} is disabled")
        if principal.device == device:
            self._seen(device)

    def _entries(self, device: str, point: Point, unit: Unit, now: int) -> list[Entry]:
        ts = None if point.time is None else _ms(point.time, unit, now)
        extra = "" if ts is None else received_extra(now)
        named = [(channel(point, field), value) for field, value in point.fields]
        return [
            (self._catalog.series("telemetry", device, name), now if ts is None else ts, value,
                extra)
            for name, value in named
        ]  # fmt: skip

    def _rejection(self, path: str, wrong: tuple[int, str | None, str], now: int) -> Fact:
        number, device, reason = wrong
        known = device if device is not None and self._registry.devices.get(device) else None
        return rejection(now, path.lstrip("/"), known, f"line {number}: {reason}", b"")


def _unit(request: web.Request) -> Unit:
    given = request.query.get("precision") or "ns"
    if given not in PRECISIONS:
        raise Invalid(f"precision is one of {' '.join(PRECISIONS)}, not {given[:20]!r}")
    return PRECISIONS[given]


def _ms(time: int, unit: Unit, now: int) -> int:
    """Return a line's time as ms since 1970 UTC."""
    many, parts = unit
    return timestamp(time * many // parts, now)


def _partly(batch: Batch) -> str:
    told = "; ".join(f"line {number}: {reason}" for number, _, reason in batch.wrong[:MOST_SAID])
    more = len(batch.wrong) - MOST_SAID
    rest = f"; and {more:,} more" if more > 0 else ""
    return (
        f"partial write: {len(batch.entries):,} values are stored,"
        f" {len(batch.wrong):,} lines are not: {told}{rest}"
    )


def _told(handler: Handler) -> Handler:
    """Return the handler with its errors as InfluxDB tells them."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except GatewayError as error:
            await asyncio.sleep(error.delay)
            headers = (
                {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
            )
            return _error(error.status, _CODES.get(error.status, "invalid"), str(error), headers)

    return told


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer with an error that the clients of both versions read."""
    said = {"code": code, "message": message, "error": message}
    return _json(status, said, {**(headers or {}), "X-Influxdb-Error": code})


def _json(status: int, value: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=encode(value), status=status, headers=headers, content_type="application/json"
    )
