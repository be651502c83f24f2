"""`/metrics/values`: the newest value of every channel, for Prometheus and its like to scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aiohttp import web

from gateway.bridges.http.routes import Route
from gateway.frames import number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.bridges.http.authentication import Permission
    from gateway.catalog import Catalog
    from gateway.frames import Series

KIND = "text/plain; version=0.0.4; charset=utf-8"  # the text format of Prometheus
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class _Frame(msgspec.Struct):
    ts: int
    value: msgspec.Raw


_frame = msgspec.json.Decoder(_Frame).decode


class Latest(NamedTuple):
    """A channel's newest number, `ts` in ms; true and false are 1 and 0."""

    series: Series
    ts: int
    value: float


class Values:
    """Shows what the asker sees."""

    def __init__(self, catalog: Catalog, permission: Permission) -> None:
        self._catalog = catalog
        self._permission = permission

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/metrics/values",
                handler=self.get,
                summary="The latest number of every channel, for Prometheus to scrape",
                answer={"type": "string"},
                media=("text/plain",),
            )
        ]

    async def get(self, request: web.Request) -> web.Response:
        view = self._permission.view(request)
        devices = view.devices()
        known = self._catalog.devices() if devices is None else devices
        seen = (
            series
            for device in sorted(known)
            if view.sees(device)
            for series in sorted(self._catalog.of_device(device), key=lambda each: each.channel)
        )
        return web.Response(body=exposition(latest(seen)), headers={"Content-Type": KIND})


def latest(series: Iterable[Series]) -> Iterator[Latest]:
    """Yield the channels whose newest value is a number, true or false."""
    for each in series:
        if each.type == "telemetry" and each.latest is not None:
            frame = _frame(each.latest)
            value = number_of(bytes(frame.value).decode())
            if value is not None:
                yield Latest(each, frame.ts, value)


def exposition(found: Iterable[Latest]) -> bytes:
    """Write values, and when they were measured, in the text format of Prometheus."""
    values = ["# HELP value The latest value of a channel\n# TYPE value gauge\n"]
    times = ["# HELP value_time_seconds When it was measured\n# TYPE value_time_seconds gauge\n"]
    for series, ts, value in found:
        labels = f'{{device="{_text(series.device)}",channel="{_text(series.channel)}"}}'
        values.append(f"value{labels} {value!r}\n")
        times.append(f"value_time_seconds{labels} {ts / 1000!r}\n")
    return "".join(values + times).encode()


def _text(label: str) -> str:
    return label.translate(_ESCAPES)
