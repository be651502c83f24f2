"""Answers: JSON, and RFC 9457 problems."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.frames import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.errors import GatewayError

BEARER = 'Bearer realm="gateway"'
CHALLENGE = f'{BEARER}, Basic realm="gateway", charset="UTF-8"'


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a value as JSON."""
    return web.Response(
        body=encode(value), status=status, headers=headers, content_type="application/json"
    )


def next_page(request: web.Request, after: object, **more: str) -> dict[str, str]:
    """Return the header that names the page after this one (RFC 8288)."""
    return {"Link": f'<{request.rel_url.update_query(after=str(after), **more)}>; rel="next"'}


def problem(error: GatewayError, **more: Any) -> web.Response:
    """Answer with an error of the gateway (RFC 9457), and what its status needs beside it."""
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE  # RFC 9110 section 11.6.1
    if error.retry_after is not None:
        headers["Retry-After"] = str(ceil(error.retry_after))
    if error.fields:
        more["fields"] = error.fields
    return problem_of(error.status, error.code, str(error), headers, **more)


def problem_of(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """Answer with a problem; `code` is a word that scripts can compare."""
    said = {
        "type": f"urn:gateway:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
    }
    return web.Response(
        body=encode({**said, "code": code, **more}),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def nothing() -> web.Response:
    """Answer that it is done (204)."""
    return web.Response(status=204)
