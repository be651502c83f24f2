"""Pages of other sites that may use the API with a token (CORS, WHATWG Fetch section 3.2).

A page of `[http] origins` may read the answers and send what the API takes. A token in a header is
nothing that a browser sends along by itself; the site's cookie is, and counts from the gateway's
own pages alone, so credentials are never allowed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.bridges.http.routes import Handler

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Content-Disposition, ETag, Link, Location, Retry-After"


class Origins:
    """Knows the origins, as `https://my.app`."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)

    def allows(self, request: web.Request) -> bool:
        """Tell whether a page of one of these origins sends the request."""
        return request.headers.get("Origin", "").lower() in self._allowed

    @web.middleware
    async def preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a browser that asks beforehand what a page may send."""
        asks = "Access-Control-Request-Method" in request.headers
        if request.method == "OPTIONS" and asks and self.allows(request):
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    async def tell(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let such a page read the answer, whatever it is; caches keep it for this origin alone."""
        if not self._allowed:
            return
        response.headers.add("Vary", "Origin")
        if self.allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
