"""Health: alive, and ready to take data in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.bridges.http import answers
from gateway.bridges.http.routes import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp import web

    from gateway.intake import Intake


class Health(msgspec.Struct):
    """`status`: ok, or unready with the reasons."""

    status: str
    reasons: list[str] = []


class HealthChecks:
    """Says how the gateway is. `trouble()`: why the store can take nothing, if so."""

    def __init__(self, intake: Intake, trouble: Callable[[], str | None]) -> None:
        self._intake = intake
        self._trouble = trouble

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
        reasons = list(self._reasons())
        if reasons:
            return answers.json(Health("unready", reasons), 503, {"Retry-After": "1"})
        return answers.json(Health("ok"))

    def _reasons(self) -> Iterator[str]:
        """Why no data can be taken in."""
        refusal = self._intake.refusal or self._trouble()
        if refusal is not None:
            yield f"storing fails: {refusal}"
        if self._intake.full:
            yield "more arrives than can be stored"
