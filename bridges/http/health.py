"""Health: alive, and ready to take data in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bridges.http import answers
from bridges.http.routes import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web


class Health(msgspec.Struct):
    """`status`: ok, or unready with the reasons."""

    status: str
    reasons: list[str] = []


class HealthChecks:
    """Says how the gateway is. `troubles()` gives the reasons why it cannot take data in, none if it can."""

    def __init__(self, troubles: Callable[[], Iterable[str]]) -> None:
        self._troubles = troubles

    def routes(self) -> list[Route]:
        # fmt: off
        return [
            Route(method="GET", path="/healthz", handler=self.alive, summary="The process runs",
                  answer=Health, open=True),
            Route(method="GET", path="/readyz", handler=self.ready, answer=Health, open=True,
                  summary="Data can be taken in; else 503 and the reasons"),
        ]
        # fmt: on

    async def alive(self, request: web.Request) -> web.Response:
        return answers.json(Health("ok"))

    async def ready(self, request: web.Request) -> web.Response:
        reasons = list(self._troubles())
        if reasons:
            return answers.json(Health("unready", reasons), 503, {"Retry-After": "1"})
        return answers.json(Health("ok"))
