"""The gateway's description of itself: `/openapi.json` and `/asyncapi.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.bridges.http import answers, asyncapi, openapi
from gateway.bridges.http.routes import Route
from gateway.frames import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.bridges.http.asyncapi import Servers


class Documentation:
    """Serves both documents. Call `describe` with the whole table of routes. `servers(port)`: where
    the gateway is, whose HTTP port this is.
    """

    def __init__(self, version: str, servers: Callable[[int], Servers]) -> None:
        self._version = version
        self._servers = servers
        self._openapi = b""

    def describe(self, routes: Iterable[Route]) -> None:
        """Make the OpenAPI document of these routes."""
        self._openapi = encode(openapi.document(routes, self._version))

    def routes(self) -> list[Route]:
        anything = {"type": "object"}
        # fmt: off
        return [
            Route(method="GET", path="/openapi.json", handler=self.openapi, answer=anything,
                  summary="This interface, as OpenAPI 3.1"),
            Route(method="GET", path="/asyncapi.json", handler=self.asyncapi, answer=anything,
                  summary="WebSocket and MQTT, as AsyncAPI 3.0"),
        ]
        # fmt: on

    async def openapi(self, request: web.Request) -> web.Response:
        return web.Response(body=self._openapi, content_type="application/json")

    async def asyncapi(self, request: web.Request) -> web.Response:
        own = None if request.transport is None else request.transport.get_extra_info("sockname")
        servers = self._servers(own[1] if own else 0)
        return answers.json(asyncapi.document(self._version, servers))
