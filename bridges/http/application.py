"""The HTTP application: routes, sign-in, and what holds for all of them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, cast

from aiohttp import web

from gateway.bridges.edge import bodies
from gateway.bridges.http.compression import compress
from gateway.bridges.http.middleware import problems, security_headers
from gateway.bridges.http.origins import Origins
from gateway.bridges.http.routes import BODY
from gateway.bridges.http.waiting import WAITS, end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.bridges.http.authentication import Authentication
    from gateway.bridges.http.porch import Porch
    from gateway.bridges.http.proxies import Proxies
    from gateway.bridges.http.routes import Handler, Route


def application(
    routes: Iterable[Route],
    authentication: Authentication,
    *,
    body_limit: int,
    tls: bool = False,
    porch: Porch | None = None,
    origins: Origins | None = None,
    proxies: Proxies | None = None,
) -> web.Application:
    """Return the application that serves these routes, behind a `porch` if there is one.

    `body_limit`: bytes; `tls`: it is reached by HTTPS only; `origins`: of pages elsewhere that may
    use the API; `proxies`: whose `X-Forwarded-For` is believed.
    """
    origins = origins or Origins()
    middlewares = [problems, origins.preflight]
    if porch is not None:
        middlewares.insert(0, porch.watch)
    if proxies is not None:
        middlewares.insert(0, proxies.told)
    app = web.Application(middlewares=middlewares, client_max_size=body_limit)
    app[WAITS] = {}
    app.on_shutdown.append(end)
    app.on_response_prepare.append(security_headers(tls=tls))
    app.on_response_prepare.append(origins.tell)
    app.on_response_prepare.append(compress)
    for route in routes:
        handler = _serving(route, authentication)
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET" and not route.lasting:
            app.router.add_route("HEAD", route.path, handler)
    return app


def _serving(route: Route, authentication: Authentication) -> Handler:
    """Return what answers a route: sign-in first, then the body, and only then the handler, which
    asks for rights: they are those of the moment of the deed.
    """

    @wraps(route.handler)
    async def serve(request: web.Request) -> web.StreamResponse:
        if not route.open:
            authentication.authenticate(request)
        if route.body is not None:
            request[BODY] = await bodies.read(request)
            if not route.open:
                authentication.still(request)
        return await cast("Handler", route.handler)(request)

    return serve
