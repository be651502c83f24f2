"""The body of a request: read before anybody is asked whether they may.

A body may take a minute to arrive, and rights that held when it began may be gone when it ends. Who
has not signed in may send no more than signing in takes.
"""

from __future__ import annotations

from aiohttp import web

from gateway.bridges.edge.sender import PRINCIPAL
from gateway.errors import Invalid, TooLarge

STRANGER = 8 << 10  # bytes


async def read(request: web.Request) -> bytes:
    """Return a request's body. Raises `TooLarge`, `Invalid` where it is not what its headers
    say.
    """
    taken = request if PRINCIPAL in request else _short(request)
    try:
        return await taken.read()
    except web.HTTPRequestEntityTooLarge:
        most = taken.client_max_size
        raise TooLarge(f"the body is above the limit of {most:,} bytes") from None
    except web.RequestPayloadError:
        raise Invalid("the body is not in the encoding that its headers name") from None


def _short(request: web.Request) -> web.Request:
    return request.clone(client_max_size=min(STRANGER, request.client_max_size or STRANGER))
