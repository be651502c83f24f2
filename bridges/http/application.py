"""The HTTP application: routes, sign-in, and what holds for all of them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.bridges.http.authentication import PRINCIPAL, Authentication
from gateway.bridges.http.middleware import problems, security_headers
from gateway.bridges.http.waiting import WAITS, end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.bridges.http.porch import Porch
    from gateway.bridges.http.routes import Handler, Route


def application(
    routes: Iterable[Route],
    authentication: Authentication,
    *,
    body_limit: int,
    tls: bool = False,
    porch: Porch | None = None,
) -> web.Application:
    """Return the application that serves these routes, behind a `porch` if there is one.

    `body_limit`: bytes; `tls`: it is reached by HTTPS only.
    """
    middlewares = [problems] if porch is None else [porch.watch, problems]
    app = web.Application(middlewares=middlewares, client_max_size=body_limit)
    app[WAITS] = {}
    app.on_shutdown.append(end)
    app.on_response_prepare.append(security_headers(tls=tls))
    for route in routes:
        handler = route.handler if route.open else _signed_in(route.handler, authentication)
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET" and not route.lasting:
            app.router.add_route("HEAD", route.path, handler)
    return app


def _signed_in(handler: Handler, authentication: Authentication) -> Handler:
    @wraps(handler)
    async def ask(request: web.Request) -> web.StreamResponse:
        request[PRINCIPAL] = authentication.authenticate(request)
        return await handler(request)

    return ask
