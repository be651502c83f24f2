"""What holds for every request: errors become problems, and every answer has its security
headers.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.bridges.http import answers
from gateway.errors import GatewayError, Invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.bridges.http.routes import Handler

    Hook = Callable[[web.Request, web.StreamResponse], Awaitable[None]]

log = logging.getLogger(__name__)

_WORDS = {
    404: ("not_found", "there is nothing at this path"),
    405: ("method_not_allowed", "not with this method"),
}
_CODES = {400: "invalid", 403: "forbidden", 426: "upgrade_required"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A page says itself what it may load; an answer of the API loads nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem where something is wrong, whoever noticed it."""
    try:
        _demand_text(request)
        return await handler(request)
    except GatewayError as error:
        if error.delay:
            await asyncio.sleep(error.delay)
        return _told(request, answers.problem(error))
    except web.HTTPException as error:
        return _translated(error)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        # The path only: a query may hold what is nobody's business.
        log.exception("%s %s failed", request.method, request.path)
        return answers.problem_of(
            500, "internal", "something went wrong in the gateway; its log says what"
        )


def _demand_text(request: web.Request) -> None:
    """Raise `Invalid` where the path or a header is not UTF-8: aiohttp passes on the other bytes as
    surrogates, which can neither be hashed nor stored.
    """
    for text in (request.raw_path, *request.headers.values()):
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid("the path and the headers must be UTF-8") from None


def _told(request: web.Request, response: web.Response) -> web.Response:
    """Leave Basic out of what a page's script is told: the browser would open a dialog of its own
    for it.
    """
    if "WWW-Authenticate" in response.headers and "Sec-Fetch-Mode" in request.headers:
        response.headers["WWW-Authenticate"] = answers.BEARER
    return response


def _translated(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        raise error
    said = (
        error.text if error.text and not error.text.startswith(str(error.status)) else error.reason
    )
    code, detail = _WORDS.get(error.status, (_CODES.get(error.status, "http"), said))
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return answers.problem_of(error.status, code, detail, headers)


def security_headers(*, tls: bool) -> Hook:
    """Return the signal that gives every answer its headers, unless its handler has set them
    otherwise.
    """

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        add_headers(response, tls=tls)

    return add


def add_headers(response: web.StreamResponse, *, tls: bool) -> None:
    """Give an answer the headers that all have. `tls`: it is reached by HTTPS only."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if tls:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers["Server"] = "gateway"  # without the versions that aiohttp tells
