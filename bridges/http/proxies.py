"""Reverse proxies: the address of the client whose request one of them forwards.

A proxy appends its client's address to `X-Forwarded-For`. Only this last address is believed, and
only from a proxy in `[http] proxies`: a client may have written everything before it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.bridges.http.routes import Handler

_HEADER = "X-Forwarded-For"


class Proxies:
    """The proxies' addresses, as `127.0.0.1` or `10.0.0.0/8`."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]

    def __contains__(self, address: object) -> bool:
        parsed = _parsed(str(address)) if self._networks else None
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, request: web.Request) -> str | None:
        """Return the address that a known proxy gives; None where the request is not from one."""
        said = request.headers.getall(_HEADER, [])
        if not said or (request.remote or "") not in self:
            return None
        last = _parsed(said[-1].rpartition(",")[2].strip())
        return None if last is None else str(last)

    @web.middleware
    async def told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve a forwarded request as one of its client."""
        client = self.client(request)
        return await handler(request if client is None else request.clone(remote=client))


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
